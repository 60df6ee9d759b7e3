// @ts-check
/** What is sent to others: the link to what is shown, a card of 1200 x 630 pixels with the photo and the steps, and a table. */

import { climbed, folded, sentence } from "./cards.js";
import { h, named, s, shortened } from "./dom.js";
import { csv } from "./files.js";
import { spaceName, steps } from "./rungs.js";
import { downloads } from "./saving.js";

/** Width, height and margin of a card, pixels of the photo and of a step, and the height that both are centred at. */
const [WIDTH, HEIGHT, EDGE, PHOTO, STEP, MIDDLE] = [1200, 630, 56, 400, 58, 324];

/** Characters of a line beside the photo, and of a caption that is asked. */
const [LINE, ASKED] = [34, 160];

const SANS = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const SERIF = "Charter, 'Bitstream Charter', Cambria, Georgia, serif";
const [PAPER, INK, SOFT, LINES, MARK, WRONG] = ["#fdfcfa", "#1d1f23", "#5c6068", "#dddad3", "#7a4b00", "#8f2417"];

/**
 * Buttons that hand out what is shown.
 * @param {any} app
 * @param {{lens: any, ladder: any, query: any, title: string, words: () => string, image: () => HTMLImageElement | null,
 *   pictures: (id: string) => HTMLImageElement | null, verdict: () => string}} shown  title: what is asked; words: its caption;
 *   image: its picture on the page; pictures: of the steps; verdict: on the space, empty where none is known yet
 * @returns {HTMLElement}
 */
export function share(app, shown) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(location.href);
      app.announce("The link is copied.");
    } catch {
      app.announce("This browser does not let the page copy: take the link from its address bar.");
    }
  };
  const link = h("button", { type: "button", class: "button small", onclick: copy, disabled: Boolean(shown.query.photo) }, "Copy link");
  const about = shortened(`ladder ${shown.title}`);
  return h("div", { class: "share" }, link,
    downloads(app, about, { drawing: () => card(app, shown) }, "Card"),
    downloads(app, about, { csv: () => table(app, shown) }, ""));
}

/** The steps as CSV, the query itself as step 0; radii and distances in geodesic units, margins and angles in radians. */
function table(/** @type {any} */ app, /** @type {any} */ { lens, ladder }) {
  const names = ["space", "step", "id", "caption", "image", "tier", "threshold_from", "threshold_to", "radius", "margin", "angle",
    "distance", "entails", "rank_among_pairs", "true_of_query"];
  const all = climbed(ladder).length;
  return csv(names, steps(ladder).map(({ hit, from, to, holds }, i) => [lens.title, all - i, hit.id, hit.caption, hit.image,
    app.collection.tiers?.[hit.tier] ?? null, from, to, hit.radius, hit.margin, hit.angle, hit.distance, hit.entails, hit.rank, holds]));
}

/** The card, drawn at half its size since a PNG has twice as many pixels. @returns {Promise<SVGSVGElement>} */
async function card(/** @type {any} */ { collection }, /** @type {any} */ { lens, ladder, title, words, image, pictures, verdict }) {
  const { rungs, first, hidden } = folded(ladder, false);
  const rows = [...rungs.slice(0, first).map((rung, i) => ({ rung, i })), ...(hidden ? [null] : []),
    ...rungs.slice(first + hidden).map((rung, i) => ({ rung, i: first + hidden + i }))];
  const left = EDGE + PHOTO + 64;
  const y = (/** @type {number} */ place) => MIDDLE + STEP * (place - (rows.length - 1) / 2);
  const head = sentence(lens, rungs);
  const url = await dataOf(image());
  const thumbs = await Promise.all(rows.map((row) => (row ? dataOf(pictures(row.rung.hit?.id)) : null)));
  const beside = left + (thumbs.some(Boolean) ? 96 : 34);
  const space = spaceName(lens, collection.lenses);
  return s("svg", { width: WIDTH / 2, height: HEIGHT / 2, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "font-family": SANS, "font-size": 20, fill: INK },
    s("rect", { width: WIDTH, height: HEIGHT, fill: PAPER }),
    text(EDGE, 80, head, { "font-size": fitting(head, 40, 1720), "font-weight": 700 }),
    asked(url, words() || (url ? "" : title)),
    text(left, y(0) - 30, "general", { fill: SOFT, "font-size": 17, "text-anchor": "middle" }),
    text(left, y(rows.length - 1) + 42, "specific", { fill: SOFT, "font-size": 17, "text-anchor": "middle" }),
    s("path", { d: `M${left} ${y(0)}V${y(rows.length - 1)}`, stroke: MARK, "stroke-width": 2.5 }),
    rows.map((row, place) => {
      const at = y(place);
      if (!row) return [s("rect", { x: left - 6, y: at - 14, width: 12, height: 28, fill: PAPER }), text(left, at + 6, "⋮", { fill: MARK, "text-anchor": "middle" }), text(beside, at + 6, `+${hidden}`, { fill: SOFT })];
      const wrong = row.rung.holds === false;
      return [
        s("circle", { cx: left, cy: at, r: 17, fill: wrong ? WRONG : MARK }),
        text(left, at + 7, String(rungs.length - row.i), { fill: PAPER, "font-weight": 700, "text-anchor": "middle" }),
        thumbs[place] && framed(thumbs[place], left + 32, at - 24, 48),
        text(beside, at + 8, shortened(named(row.rung.hit), LINE), { "font-family": SERIF, "font-size": 28 }),
      ];
    }),
    text(EDGE, HEIGHT - 62, verdict(), { "font-size": fitting(verdict(), 20, 2000) }),
    text(EDGE, HEIGHT - 32, shortened(space.startsWith(collection.title) ? space : `${collection.title} · ${space}`, 90), { fill: SOFT }),
    text(WIDTH - EDGE, HEIGHT - 32, "hiergeo", { fill: SOFT, "font-family": SERIF, "font-weight": 700, "text-anchor": "end" }));
}

/** What is asked: its picture with the caption below, or the words alone, the larger the fewer they are. @param {string | null} url @param {string} words */
function asked(url, words) {
  const size = url ? 24 : words.length <= 30 ? 60 : words.length <= 90 ? 46 : 34;
  const wide = Math.floor(PHOTO / (0.56 * size));
  const lines = wrapped(url ? shortened(words, Math.floor(1.7 * wide)) : words, wide);
  const side = url ? PHOTO - (words ? 40 * lines.length : 0) : 0;
  const top = url ? MIDDLE - PHOTO / 2 + side + 32 : MIDDLE + size * (0.35 - 0.6 * (lines.length - 1));
  return [url && framed(url, EDGE, MIDDLE - PHOTO / 2, side), lines.map((line, i) => text(EDGE, top + 1.2 * size * i, line, { "font-family": SERIF, "font-size": size }))];
}

/** The size of a line that is not wider than a card, for letters of usual width. @param {string} words @param {number} most @param {number} wide */
const fitting = (words, most, wide) => Math.min(most, Math.floor(wide / words.length));

/** @param {string} href @param {number} x @param {number} y @param {number} side */
const framed = (href, x, y, side) => [
  s("image", { href, x, y, width: side, height: side, preserveAspectRatio: "xMidYMid meet" }),
  s("rect", { x, y, width: side, height: side, fill: "none", stroke: LINES }),
];

/** A picture on the page as a URL of its data, null where there is none. @param {HTMLImageElement | null} image */
async function dataOf(image) {
  await image?.decode().catch(() => {});
  if (!image?.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d")?.drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** A text in lines of some characters. @param {string} words @param {number} wide */
function wrapped(words, wide) {
  const lines = [""];
  for (const word of shortened(words, ASKED).split(/\s+/)) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (longer.length > wide && lines[lines.length - 1]) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.map((line) => shortened(line, wide + 2));
}

/** @param {number} x @param {number} y @param {string} words @param {any} attributes */
const text = (x, y, words, attributes) => s("text", { x, y, "unicode-bidi": "isolate", ...attributes }, words);
