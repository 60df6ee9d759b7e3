// @ts-check
// The ladders as files: a table as CSV, and the staircases as one drawing that stands alone, for SVG and PNG.

import { h, named, number, s, shortened } from "./dom.js";
import { csv } from "./files.js";
import { downloads } from "./saving.js";
import { added, axisOf, marks, shares, sharing, spread, stairPath, steps, verdict } from "./stairs.js";

const WIDTH = 390;
const APART = 24;
const AXIS = 44;
const STAIRS = 56;
const LEAD = 24;
const TOP = 62;
const LABEL = 40;
const GAP = 8;
const FONT = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const INK = "#1d1f23";
const SOFT = "#5c6068";
const LINE = "#b9b5ab";
const MARK = "#7a4b00";

/** Characters of a caption in the drawing. */
const CHARACTERS = 42;

const HEADER = [
  "space",
  "step",
  "id",
  "caption",
  "image",
  "tier",
  "threshold_from",
  "threshold_to",
  "radius",
  "margin",
  "angle",
  "distance",
  "entails",
  "rank_among_pairs",
  "shared_by",
  "spaces",
];

/**
 * Buttons that save what the view shows.
 *
 * @param {any} app
 * @param {{lens: any, ladder: any}[]} shown
 * @param {any} query
 */
export function offers(app, shown, query) {
  const title = query.text ?? (query.photo ? "a photo" : `item ${query.item}`);
  return downloads(app, shortened(`ladder ${query.name ?? title}`), {
    csv: () => table(app, shown),
    drawing: () => drawing(shown, title),
  });
}

/** The ladders as CSV, one line a step; radii and distances in geodesic units, margins and angles in radians. */
export function table(app, shown) {
  const counts = shares(shown.map((each) => each.ladder));
  const rows = shown.flatMap(({ lens, ladder }) =>
    steps(ladder).map(({ hit, from, to }, i) => {
      const tier = app.collection.tiers?.[hit.tier] ?? null;
      const numbers = [from, to, hit.radius, hit.margin, hit.angle, hit.distance];
      return [
        lens.title,
        i + 1,
        hit.id,
        hit.caption,
        hit.image,
        tier,
        ...numbers,
        hit.entails,
        hit.rank,
        counts.get(hit.id) ?? 1,
        shown.length,
      ];
    }),
  );
  return csv(HEADER, rows);
}

/**
 * The staircases side by side.
 *
 * @param {{lens: any, ladder: any}[]} shown
 * @param {string} title of the query
 * @returns {SVGSVGElement}
 */
export function drawing(shown, title) {
  const axis = axisOf(shown.map((each) => each.ladder));
  const most = Math.max(...shown.map((each) => steps(each.ladder).length + 1));
  const room = Math.max(320, most * (LABEL + GAP));
  const counts = shares(shown.map((each) => each.ladder));
  const width = shown.length * WIDTH + (shown.length - 1) * APART + 32;
  const height = TOP + room + 40;
  const y = (radius) => TOP + 14 + ((radius - axis.low) / (axis.high - axis.low)) * (room - 28);
  return s(
    "svg",
    {
      width,
      height,
      viewBox: `0 0 ${width} ${height}`,
      "font-family": FONT,
      "font-size": 12,
      fill: INK,
    },
    s("rect", { width, height, fill: "#fff" }),
    text(16, 24, `Ladder of ${shortened(title, 90)}`, { "font-size": 15, "font-weight": 600 }),
    shown.map((each, i) =>
      s(
        "g",
        { transform: `translate(${16 + i * (WIDTH + APART)} 0)` },
        staircase(each, axis, y, room, (id) => sharing(counts.get(id) ?? 1, shown.length)),
      ),
    ),
    text(
      16,
      height - 12,
      "Axis: radius, geodesic units. Margin and angle in radians; a filled dot entails the query. “Closer”: to entailing, than random pairs. hiergeo",
      { fill: SOFT, "font-size": 11 },
    ),
  );
}

function staircase({ lens, ladder }, axis, y, room, mark) {
  const rungs = steps(ladder);
  const apart = STAIRS / Math.max(1, rungs.length);
  const x = (place) => AXIS + apart * (place + 0.5);
  const end = AXIS + STAIRS + LEAD;
  const own = {
    words: "the query",
    numbers: `r ${number(ladder.query.radius)}`,
    radius: ladder.query.radius,
    start: AXIS,
    note: "",
  };
  const labels = rungs.map(({ hit, ...rung }, i) => ({
    words: shortened(named(hit), CHARACTERS),
    numbers: [`r ${number(hit.radius)}`, verdict(hit).words, hit.is_query ? "" : `angle ${number(hit.angle)}`].join("   "),
    radius: hit.radius,
    start: x(i),
    note: [mark(hit.id), added(rung)].filter(Boolean).join(", "),
  }));
  labels.splice(rungs.filter(({ hit }) => hit.radius <= own.radius).length, 0, own);
  const tops = spread(
    labels.map((label) => y(label.radius) - TOP),
    labels.map(() => LABEL),
    GAP,
    room,
  );
  return [
    text(0, 48, shortened(lens.title, 44), { "font-weight": 600 }),
    s("path", {
      d: `M${AXIS} ${y(axis.low)}V${y(axis.high)}`,
      stroke: SOFT,
      fill: "none",
      "stroke-dasharray": axis.broken ? "2 2" : null,
    }),
    marks(axis).map(({ value, label }) => [
      s("path", { d: `M${AXIS - 4} ${y(value)}h4`, stroke: SOFT }),
      text(AXIS - 8, y(value) + 4, label, { "text-anchor": "end", fill: SOFT, "font-size": 11 }),
    ]),
    labels.map((label, i) => {
      const middle = TOP + tops[i] + LABEL / 2;
      return [
        s("path", {
          d: `M${label.start} ${y(label.radius)}H${AXIS + STAIRS + 4}L${end - 4} ${middle}H${end}`,
          stroke: LINE,
          fill: "none",
          "stroke-dasharray": label === own ? "3 3" : null,
        }),
        text(end + 6, middle - 3, label.words, { "font-style": label === own ? "italic" : null }),
        text(
          end + 6,
          middle + 13,
          label.numbers,
          { fill: SOFT, "font-size": 11 },
          label.note && s("tspan", { fill: MARK, "font-weight": 600 }, `   ${label.note}`),
        ),
      ];
    }),
    s("path", { d: stairPath(rungs, x, y, y(axis.high)), fill: "none", stroke: INK, "stroke-width": 1.75 }),
    rungs.map(({ hit }, i) =>
      s("circle", {
        cx: x(i),
        cy: y(hit.radius),
        r: 4.5,
        stroke: INK,
        "stroke-width": 1.5,
        fill: hit.entails ? INK : "#fff",
      }),
    ),
  ];
}

function text(x, y, words, attributes, ...more) {
  return s("text", { x, y, "xml:space": "preserve", "unicode-bidi": "isolate", ...attributes }, words, ...more);
}
