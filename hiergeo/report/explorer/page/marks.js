// @ts-check
/**
 * How points look: a shape by tier and kind, a colour by tier, radius, kind or a column of the data, from the tokens of the
 * style sheet; those that a filter leaves out are not drawn.
 *
 * Tiers differ in shape as well as in colour, and radii are seen by the distance from the root, so that nothing is told by
 * colour alone.
 */

import { s } from "./dom.js";

/**
 * @typedef {[number, number, number]} Colour red, green, blue in [0, 1]
 * @typedef {import("./levels.js").Tile} Tile
 * @typedef {{colours: Colour[], dress: (tile: Tile) => void, marks: Mark[], ramp: {ends: string[], steps: number} | null}} Style colours: of points,
 *   by their number; dress: give each point of a tile its shape and the number of its colour; marks: what a legend names;
 *   ramp: the words at the ends of a scale of colours, which is made of the first ones
 * @typedef {{colour: Colour, shape: number, text: string, bin?: number}} Mark  bin: of the column that colours, which it can filter by
 * @typedef {import("./columns.js").Column} Column
 */

/** Shades of one hue between which those of many tiers, or of numbers, are interpolated: from general to specific. */
const RAMP = ["--dot0", "--dot1", "--dot2", "--dot3"];

/** What is not known of a point, lighter than all that is. */
const FAINT = "--faint";

/** Twelve colours as far from each other as they can be, also to people who do not tell red from green (least distance in
 * OKLab 0.11 under the matrices of Machado, Oliveira & Fernandes, 2009). */
const PALETTE = ["#1195ff", "#fb670f", "#4cac78", "#9a0cb5", "#dfc239", "#b60e4a", "#06d1f7", "#038792", "#6115fd", "#dc2f12", "#ee3fcb", "#5ad5a4"];

/** Colours that a style has at most; the shader has as many. */
export const COLOURS = 26;

/** Colours of a scale. */
const STEPS = 16;

/** The number of the colour of a point that is not drawn. */
export const HIDDEN = 255;

/** Shape of images of which no tier is known. */
const CROSS = 4;

/** Outlines of the shapes, around the origin, of about the same area: tiers 0 to 3 in turn, and images. */
export const SHAPES = [
  "M-.86 0A.86.86 0 1 0 .86 0A.86.86 0 1 0-.86 0Z",
  "M-.76-.76H.76V.76H-.76Z",
  "M0-1.05L.98.72H-.98Z",
  "M0-1.08L.94 0L0 1.08L-.94 0Z",
  "M-.8-.5L-.5-.8L0-.3L.5-.8L.8-.5L.3 0L.8.5L.5.8L0 .3L-.5.8L-.8.5L-.3 0Z",
];

/** The colours of the style sheet, and any others of CSS, as numbers. @param {Element} element @returns {(name: string) => Colour} */
export function tokens(element) {
  const style = getComputedStyle(element);
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  return (name) => {
    if (!probe) return [0.5, 0.5, 0.5];
    probe.fillStyle = name.startsWith("--") ? style.getPropertyValue(name).trim() || "#808080" : name;
    probe.clearRect(0, 0, 1, 1);
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
    return [red / 255, green / 255, blue / 255];
  };
}

/** @type {(tier: number, kind: number) => number} */
const shapeOf = (tier, kind) => (tier >= 0 ? tier % 4 : kind ? CROSS : 0);

/**
 * @param {{by: string, collection: any, low: number, high: number, column: Column | null, tiered: number, shown: (id: bigint) => boolean}} of
 *   by: "tier", "radius" or "kind"; low, high: radii; column: coloured by in their stead; tiered: items of a known tier; shown: whether a filter lets an item through
 * @param {(name: string) => Colour} token
 * @returns {Style}
 */
export function styleOf({ by, collection, low, high, column, tiered, shown }, token) {
  const { tiers, captions, images, items } = collection;
  const [ramp, soft, faint] = [RAMP.map(token), token("--soft"), token(FAINT)];
  const scale = (/** @type {number} */ count) => Array.from({ length: count }, (_, i) => along(ramp, count > 1 ? i / (count - 1) : 1));
  const style = (/** @type {Colour[]} */ colours, /** @type {(tile: Tile, i: number) => number} */ number, /** @type {Mark[]} */ marks, /** @type {Style["ramp"]} */ bar = null) => ({
    colours, marks, ramp: bar,
    dress: (/** @type {Tile} */ tile) => {
      tile.colour = Uint8Array.from(tile.ids, (id, i) => (shown(id) ? number(tile, i) : HIDDEN));
      tile.shape = Uint8Array.from(tile.tier, (tier, i) => shapeOf(tier, tile.kind[i]));
    },
  });
  const image = (/** @type {Colour} */ colour) => (images ? [{ colour, shape: CROSS, text: "image" }] : []);
  if (column) {
    const count = column.counts.length;
    const colours = column.values ? column.values.map((_, i) => token(hue(i, count))) : scale(count);
    const words = (column.values ?? []).map((text, i) => ({ colour: colours[i], shape: 0, text, bin: i }));
    const others = column.counts.reduce((sum, some) => sum + some, 0) < items ? [{ colour: faint, shape: 0, text: "others" }] : [];
    const ends = column.edges && [column.edges[0], column.edges[count]].map((edge) => Number(edge.toPrecision(3)).toString().replace("-", "−"));
    return style([...colours, faint], (tile, i) => Math.min(column.bin(tile.ids[i]), count), [...words, ...others], ends && { ends, steps: count });
  }
  if (by === "kind")
    return style([ramp[1], ramp[3]], (tile, i) => tile.kind[i], [{ colour: ramp[1], shape: 0, text: "caption" }, ...image(ramp[3])]);
  if (by === "radius") {
    const step = (/** @type {number} */ radius) => Math.round((STEPS - 1) * Math.min(1, Math.max(0, (radius - low) / Math.max(1e-9, high - low))));
    return style(scale(STEPS), (tile, i) => step(tile.radius[i]), [], { ends: [low, high].map((value) => `r ${value.toFixed(2)}`), steps: STEPS });
  }
  const count = Math.min(STEPS, Math.max(1, tiers?.length ?? 1));
  const last = Math.max(1, (tiers?.length ?? 1) - 1);
  const step = (/** @type {number} */ tier) => Math.round((tier * (count - 1)) / last);
  const colours = [...scale(count), tiers ? faint : soft, ramp[3]];
  const marks = (tiers ?? []).map((/** @type {string} */ text, /** @type {number} */ tier) => ({ colour: colours[step(tier)], shape: tier % 4, text, bin: tier }));
  const other = captions && !(tiers && tiered >= captions) ? [{ colour: colours[count], shape: 0, text: tiers ? "without a tier" : "caption" }] : [];
  return style(colours, ({ tier, kind }, i) => (tier[i] >= 0 ? step(tier[i]) : count + (kind[i] ? 1 : 0)), [...marks, ...other, ...image(ramp[3])]);
}

/** A colour of one of several values; of many, at the same lightness as all others. @param {number} i @param {number} count */
export const hue = (i, count) => (count <= PALETTE.length ? PALETTE[i] : `oklch(62% .13 ${Math.round((360 * i) / count + 20)})`);

/** @param {Colour[]} ramp @param {number} share @returns {Colour} */
function along(ramp, share) {
  const at = share * (ramp.length - 1);
  const before = Math.min(ramp.length - 2, Math.floor(at));
  const mixed = ramp[before].map((value, part) => value + (ramp[before + 1][part] - value) * (at - before));
  return /** @type {Colour} */ (mixed);
}

/** @param {Colour} colour */
export const css = (colour) => `rgb(${colour.map((value) => Math.round(255 * value)).join(" ")})`;

/** What a legend shows of a style: a scale, or marks and words. @param {Style} style @returns {{parts: any[], bin?: number}[]} rows of nodes and texts */
export function legend({ colours, marks, ramp }) {
  const sample = (/** @type {Mark} */ { colour, shape }) =>
    s("svg", { viewBox: "-1.3 -1.3 2.6 2.6", width: 14, height: 14, "aria-hidden": "true", class: "map-sample" }, s("path", { d: SHAPES[shape], fill: css(colour) }));
  const width = 140 / (ramp?.steps ?? 1);
  const parts = colours.slice(0, ramp?.steps).map((colour, step) => s("rect", { x: step * width, width: width + 0.5, height: 10, fill: css(colour) }));
  const bar = ramp && [ramp.ends[0], s("svg", { viewBox: "0 0 140 10", width: 140, height: 10, "aria-hidden": "true", class: "map-ramp" }, parts), ramp.ends[1]];
  return [...(bar ? [{ parts: bar }] : []), ...marks.map((mark) => ({ parts: [sample(mark), mark.text], bin: mark.bin }))];
}
