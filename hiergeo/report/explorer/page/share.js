// @ts-check
/** What is sent to others: the link to what is shown, a card of 1200 x 630 pixels with the photo and the steps, and a table. */

import { climbed, folded, sentence } from "./cards.js";
import { h, named, s, shortened } from "./dom.js";
import { csv } from "./files.js";
import { added, steps } from "./rungs.js";
import { downloads } from "./saving.js";

/** Width, height and margin of a card, and pixels of the photo and of a step. */
const [WIDTH, HEIGHT, EDGE, PHOTO, STEP] = [1200, 630, 56, 400, 58];

/** Characters of a line beside the photo, of one of a caption that is asked, and lines of that. */
const [LINE, ASKED, LINES] = [46, 24, 7];

const SANS = "system-ui, 'Segoe UI', Roboto, 'Noto Sans', sans-serif";
const SERIF = "Charter, 'Bitstream Charter', Cambria, Georgia, serif";
const [PAPER, INK, SOFT, MARK, WRONG] = ["#fdfcfa", "#1d1f23", "#5c6068", "#7a4b00", "#8f2417"];

/**
 * Buttons that hand out what is shown.
 * @param {any} app
 * @param {{lens: any, ladder: any, query: any, title: string, image: () => HTMLImageElement | null, verdict: () => string}} shown
 *   title: what is asked; image: its picture on the page; verdict: on the space, empty where none is known yet
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
    downloads(app, about, { csv: () => table(app, shown) }, "Table"));
}

/** The steps as CSV, the query itself as step 0; radii and distances in geodesic units, margins and angles in radians. */
function table(/** @type {any} */ app, /** @type {any} */ { lens, ladder }) {
  const names = ["space", "step", "id", "caption", "image", "tier", "threshold_from", "threshold_to", "radius", "margin", "angle",
    "distance", "entails", "rank_among_pairs", "adds"];
  const all = climbed(ladder).length;
  return csv(names, steps(ladder).map(({ hit, from, to, adds }, i) => [lens.title, all - i, hit.id, hit.caption, hit.image,
    app.collection.tiers?.[hit.tier] ?? null, from, to, hit.radius, hit.margin, hit.angle, hit.distance, hit.entails, hit.rank, adds?.join(" ")]));
}

/** What a space is in plain words; its title where they would not tell it from another one. @param {any} lens @param {any[]} lenses */
export function spaceName(lens, lenses) {
  const shape = (/** @type {any} */ { curvature }) => (curvature === 0 ? "flat" : curvature < 0 ? "hyperbolic" : "spherical");
  const plain = (/** @type {any} */ each) =>
    typeof each.curvature === "number" && each.title.endsWith(` · ${each.geometry}`) ? `${each.title.slice(0, -each.geometry.length)}${shape(each)}` : each.title;
  return lenses.some((each) => each !== lens && plain(each) === plain(lens)) ? lens.title : plain(lens);
}

/** The card, drawn at half its size since a PNG has twice as many pixels. @returns {Promise<SVGSVGElement>} */
async function card(/** @type {any} */ { collection }, /** @type {any} */ { lens, ladder, title, image, verdict }) {
  const { rungs, first, hidden } = folded(ladder, false);
  const rows = [...rungs.slice(0, first).map((rung, i) => ({ rung, i })), ...(hidden ? [null] : []),
    ...rungs.slice(first + hidden).map((rung, i) => ({ rung, i: first + hidden + i }))];
  const top = 150 + Math.max(0, (7 - rows.length) * STEP) / 2;
  const left = EDGE + PHOTO + 56;
  const head = sentence(lens, rungs);
  const url = await dataOf(image());
  const photo = url ? s("image", { href: url, x: EDGE, y: 130, width: PHOTO, height: PHOTO, preserveAspectRatio: "xMidYMid meet" }) : null;
  const words = photo ? null : wrapped(title).map((line, i) => text(EDGE, 200 + 48 * i, line, { "font-family": SERIF, "font-size": 36 }));
  return s("svg", { width: WIDTH / 2, height: HEIGHT / 2, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, "font-family": SANS, "font-size": 20, fill: INK },
    s("rect", { width: WIDTH, height: HEIGHT, fill: PAPER }),
    text(EDGE, 84, head, { "font-size": Math.min(34, Math.round(1680 / head.length)), "font-weight": 700 }),
    photo, words,
    rows.map((row, place) => {
      const y = top + STEP * place;
      if (!row) return text(left + 40, y + 6, `+${hidden}`, { fill: SOFT });
      const wrong = added(row.rung);
      return [
        s("circle", { cx: left, cy: y, r: 17, fill: wrong ? WRONG : MARK }),
        text(left, y + 7, String(rungs.length - row.i), { fill: PAPER, "font-weight": 700, "text-anchor": "middle" }),
        text(left + 34, y + (wrong ? -2 : 8), shortened(named(row.rung.hit), LINE), { "font-family": SERIF, "font-size": 25 }),
        wrong && text(left + 34, y + 20, shortened(wrong, LINE), { fill: WRONG, "font-size": 17 }),
      ];
    }),
    text(EDGE, HEIGHT - 34, shortened(`${lens.title}${verdict() ? ` · ${verdict()}` : ""}`, 100), { fill: SOFT }),
    text(WIDTH - EDGE, HEIGHT - 34, "hiergeo", { fill: SOFT, "font-family": SERIF, "font-weight": 700, "text-anchor": "end" }));
}

/** A picture on the page as a URL of its data, null where there is none. @param {HTMLImageElement | null} image */
async function dataOf(image) {
  await image?.decode().catch(() => {});
  if (!image?.naturalWidth) return null;
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
  canvas.getContext("2d")?.drawImage(image, 0, 0);
  return canvas.toDataURL("image/png");
}

/** A text in lines. @param {string} words */
function wrapped(words) {
  const lines = [""];
  for (const word of shortened(words, ASKED * LINES).split(/\s+/)) {
    const longer = `${lines[lines.length - 1]} ${word}`.trim();
    if (longer.length > ASKED && lines[lines.length - 1]) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines.slice(0, LINES).map((line) => shortened(line, ASKED + 4));
}

/** @param {number} x @param {number} y @param {string} words @param {any} attributes */
const text = (x, y, words, attributes) => s("text", { x, y, "unicode-bidi": "isolate", ...attributes }, words);
