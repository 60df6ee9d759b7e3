// @ts-check
// The drawing of staircases on the page: every column on one axis of radii, and labels that keep out of each other's way.

import { fill, s } from "./dom.js";
import { axisOf, marks, spread, stairPath, steps } from "./stairs.js";

/** Pixels: labels of the axis, the stairs in wide and narrow columns, what leads to the labels, between labels, and above
 * and below the axis. */
const AXIS = 40;
const STAIRS = 72;
const NARROW = 44;
const LEAD = 20;
const GAP = 4;
const MARGIN = 26;

/** Pixels of a column below which its stairs are narrow. */
const WIDE = 400;

/** Pixels of the shortest staircase. */
const SHORTEST = 380;

/**
 * Place the labels of all columns along one axis, and draw the staircases.
 *
 * @param {{ladder: any, stage: HTMLElement, drawing: SVGElement, labels: HTMLElement[], radii: number[]}[]} drawn columns:
 *   `radii` has one for each of `labels`
 */
export function arrangeAll(drawn) {
  const axis = axisOf(drawn.map((each) => each.ladder));
  const stairs = drawn[0].stage.clientWidth < WIDE ? NARROW : STAIRS;
  for (const each of drawn) each.stage.style.setProperty("--stair", `${AXIS + stairs + LEAD}px`);
  const heights = drawn.map((each) => each.labels.map((label) => label.offsetHeight));
  const room = Math.max(SHORTEST, ...heights.map((some) => some.reduce((sum, height) => sum + height + GAP, -GAP)));
  const y = (radius) => MARGIN + ((radius - axis.low) / (axis.high - axis.low)) * (room - 2 * MARGIN);
  drawn.forEach((each, i) => {
    const tops = spread(each.radii.map(y), heights[i], GAP, room);
    each.stage.style.height = `${room}px`;
    each.labels.forEach((label, place) => (label.style.top = `${tops[place]}px`));
    const middles = tops.map((top, place) => top + heights[i][place] / 2);
    drawStair(each, axis, y, middles, { room, stairs });
  });
}

function drawStair({ drawing, ladder, labels, radii }, axis, y, middles, { room, stairs }) {
  const rungs = steps(ladder);
  const apart = stairs / Math.max(1, rungs.length);
  const x = (place) => AXIS + apart * (place + 0.5);
  const end = AXIS + stairs + LEAD;
  let place = -1;
  const leads = labels.map((label, i) => {
    const own = label.classList.contains("query");
    place += own ? 0 : 1;
    const start = own ? AXIS : x(place);
    const level = y(radii[i]).toFixed(1);
    return s("path", {
      class: own ? "lead own" : "lead",
      "data-id": label.dataset.id,
      d: `M${start.toFixed(1)} ${level}H${AXIS + stairs + 4}L${end - 3} ${middles[i].toFixed(1)}H${end}`,
    });
  });
  const dots = rungs.map(({ hit }, i) =>
    s("circle", {
      class: `dot${hit.entails ? " yes" : ""} ${hit.tier >= 0 && hit.tier !== null ? `tier${hit.tier % 4}` : ""}`,
      "data-id": hit.id,
      cx: x(i).toFixed(1),
      cy: y(hit.radius).toFixed(1),
      r: 4.5,
    }),
  );
  const grid = marks(axis).map(({ value, label }) =>
    s(
      "g",
      { transform: `translate(0 ${y(value).toFixed(1)})` },
      s("path", { class: "tick", d: `M${AXIS - 4} 0H${AXIS}` }),
      s("text", { x: AXIS - 8, dy: ".32em" }, label),
    ),
  );
  const floor = y(axis.high);
  const way = stairPath(rungs, x, y, floor);
  drawing.setAttribute("width", String(end));
  drawing.setAttribute("height", String(room));
  fill(
    drawing,
    rungs.length > 0 && s("path", { class: "below", d: `${way}V${floor}H${AXIS}V${y(rungs[0].hit.radius)}Z` }),
    s("path", {
      class: axis.broken ? "axis broken" : "axis",
      d: `M${AXIS} ${axis.broken ? y(axis.low) : y(0)}V${y(axis.high)}`,
    }),
    axis.broken && s("path", { class: "tick", d: `M${AXIS - 5} ${MARGIN - 6}l10 -4M${AXIS - 5} ${MARGIN - 2}l10 -4` }),
    s("text", { class: "name", x: 0, y: 9 }, "radius"),
    grid,
    leads,
    rungs.length > 0 && s("path", { class: "way", d: way }),
    dots,
  );
}
