// @ts-check
/**
 * How points look: colour and shape by tier, radius or kind, from the tokens of the style sheet.
 *
 * Tiers differ in shape as well as in colour, and radii are seen by the distance from the root, so that nothing is told by
 * colour alone.
 */

import { s } from "./dom.js";

/**
 * @typedef {[number, number, number]} Colour red, green, blue in [0, 1]
 * @typedef {{by: string, tiers: string[] | null, low: number, high: number, steps: Colour[], shapes: boolean,
 *   unknown: Colour, picture: Colour}} Style
 * @typedef {{colour: Colour, shape: number}} Mark
 */

/** Shades of one hue between which those of many tiers, or of radii, are interpolated: from general to specific. */
const RAMP = ["--dot0", "--dot1", "--dot2", "--dot3"];

/** Colours that a style has at most; the shader has as many. */
export const STEPS = 16;

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

/** The colours of the style sheet, as numbers. @param {Element} element @returns {(name: string) => Colour} */
export function tokens(element) {
  const style = getComputedStyle(element);
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  return (name) => {
    if (!probe) return [0.5, 0.5, 0.5];
    probe.fillStyle = style.getPropertyValue(name).trim() || "#808080";
    probe.clearRect(0, 0, 1, 1);
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
    return [red / 255, green / 255, blue / 255];
  };
}

/**
 * @param {string} by "tier", "radius" or "kind"
 * @param {string[] | null} tiers their names
 * @param {{low: number, high: number}} radii
 * @param {(name: string) => Colour} token
 * @returns {Style}
 */
export function styleOf(by, tiers, { low, high }, token) {
  const ramp = RAMP.map(token);
  const count = by === "tier" ? Math.min(STEPS, Math.max(1, tiers?.length ?? 1)) : by === "radius" ? STEPS : 2;
  const steps = by === "kind" ? [token("--dot1"), token("--dot3")] : Array.from({ length: count }, (_, step) => along(ramp, count > 1 ? step / (count - 1) : 0));
  return { by, tiers, low, high, steps, shapes: by !== "kind", unknown: token("--soft"), picture: token("--dot3") };
}

/** @param {Colour[]} ramp @param {number} share @returns {Colour} */
function along(ramp, share) {
  const at = Math.max(0, Math.min(ramp.length - 1, share * (ramp.length - 1)));
  const before = Math.min(ramp.length - 2, Math.floor(at));
  const mixed = ramp[before].map((value, part) => value + (ramp[before + 1][part] - value) * (at - before));
  return /** @type {Colour} */ (mixed);
}

/** Colour and shape of a point. @param {Style} style @param {number} tier @param {number} radius @param {number} kind @returns {Mark} */
export function markOf(style, tier, radius, kind) {
  const shape = style.by === "kind" ? (kind ? CROSS : 0) : tier >= 0 ? tier % 4 : kind ? CROSS : 0;
  if (style.by === "kind") return { colour: style.steps[kind ? 1 : 0], shape };
  if (style.by === "radius") return { colour: along(style.steps, (radius - style.low) / Math.max(1e-9, style.high - style.low)), shape };
  if (tier < 0) return { colour: kind ? style.picture : style.unknown, shape };
  return { colour: style.steps[stepOf(style, tier)], shape };
}

/** Which colour a tier has. @param {Style} style @param {number} tier */
function stepOf({ tiers, steps }, tier) {
  const count = tiers?.length ?? 1;
  return count <= steps.length ? Math.min(tier, steps.length - 1) : Math.round((tier * (steps.length - 1)) / (count - 1));
}

/** @param {Colour} colour */
export const css = (colour) => `rgb(${colour.map((value) => Math.round(255 * value)).join(" ")})`;

/** A mark as a drawing of its own. @param {Mark} mark @param {number} [side] pixels */
export function sample({ colour, shape }, side = 14) {
  return s("svg", { viewBox: "-1.3 -1.3 2.6 2.6", width: side, height: side, "aria-hidden": "true", class: "map-sample" },
    s("path", { d: SHAPES[shape], fill: css(colour) }));
}

/**
 * What the legend names: marks and words.
 * @param {Style} style
 * @param {{captions: number, images: number}} counts
 * @returns {{mark: Mark, text: string}[]}
 */
export function legend(style, { captions, images }) {
  const { by, tiers, low, high } = style;
  const image = { mark: markOf(style, -1, low, 1), text: "image" };
  if (by === "kind") return [{ mark: markOf(style, -1, low, 0), text: "caption" }, image];
  const named = (tiers ?? []).map((name, tier) => ({ mark: markOf(style, tier, high, 0), text: name }));
  if (by === "tier") {
    const other = captions && !tiers ? [{ mark: markOf(style, -1, low, 0), text: "caption" }] : [];
    return [...named, ...other, ...(images ? [image] : [])];
  }
  const shapes = named.slice(0, 4).map(({ mark, text }) => ({ mark: { ...mark, colour: style.unknown }, text }));
  const pictures = images ? [{ mark: { ...image.mark, colour: style.unknown }, text: "image" }] : [];
  return [...(named.length > 1 && named.length <= 4 ? shapes : []), ...(named.length || captions ? pictures : [])];
}

/** A bar of the colours of radii. @param {Style} style @param {(value: number) => string} written */
export function rampBar(style, written) {
  const width = 140 / style.steps.length;
  const parts = style.steps.map((colour, step) => s("rect", { x: step * width, width: width + 0.5, height: 10, fill: css(colour) }));
  const bar = s("svg", { viewBox: "0 0 140 10", width: 140, height: 10, "aria-hidden": "true", class: "map-ramp" }, parts);
  return [`radius ${written(style.low)} `, bar, ` ${written(style.high)}`];
}
