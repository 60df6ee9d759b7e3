// @ts-check
// The rungs of a ladder: which hold an item, what a space says of them, and what is known to be true of them.

import { number, signed } from "./dom.js";

/**
 * @typedef {{id: string, caption: string | null, image: boolean, tier: number | null, radius: number, margin: number | null,
 *   angle: number | null, distance: number, is_query: boolean, entails: boolean | null, rank: number | null}} Hit
 * @typedef {{from: number, to: number, hit: Hit | null, holds?: boolean | null}} Rung  holds: whether it is true of the query; null where that is not known
 * @typedef {{query: {kind: string, radius: number}, rungs: Rung[]}} Ladder
 */

/** The rungs of a ladder that hold an item. @param {Ladder} ladder @returns {Rung[]} */
export function steps(ladder) {
  return ladder.rungs.filter((rung) => rung.hit);
}

/**
 * What a space says of a pair, and the class that shows it: yes or no where cones decide, else the rank among random pairs.
 * @param {Hit} hit
 * @param {boolean} [numbers] whether the margin is told
 * @returns {{words: string, css: string, mark?: string}} mark: the words in short
 */
export function verdict({ is_query, entails, margin, rank }, numbers = true) {
  if (is_query) return { words: "your query", css: "" };
  const size = numbers ? ` ${signed(margin)}` : "";
  if (entails !== null) return { words: `${entails ? "✓ entails" : "✗ no"}${size}`, css: entails ? "yes" : "no" };
  if (rank === null) return { words: "", css: "" };
  const mark = `${rank < 1 ? number(100 * rank, 1) : 100} %`;
  return { words: `closer to entailing than ${rank < 1 ? `${mark} of pairs` : "all pairs"}`, css: "", mark };
}

/** What a space is in plain words; its title where they would not tell it from another one. @param {any} lens @param {any[]} lenses */
export function spaceName(lens, lenses) {
  const shape = (/** @type {any} */ { curvature }) => (curvature === 0 ? "flat" : curvature < 0 ? "hyperbolic" : "spherical");
  const plain = (/** @type {any} */ each) =>
    typeof each.curvature === "number" && each.title.endsWith(` · ${each.geometry}`) ? `${each.title.slice(0, -each.geometry.length)}${shape(each)}` : each.title;
  return lenses.some((each) => each !== lens && plain(each) === plain(lens)) ? lens.title : plain(lens);
}
