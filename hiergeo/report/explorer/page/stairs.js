// @ts-check
// What a staircase is made of, for the page and for files: one axis of radii, labels that do not overlap, and what ladders share.

import { number, signed } from "./dom.js";
import { ticks } from "./plots.js";

/**
 * @typedef {{id: string, caption: string | null, image: boolean, tier: number | null, radius: number, margin: number | null,
 *   angle: number | null, distance: number, is_query: boolean, entails: boolean | null, rank: number | null}} Hit
 * @typedef {{from: number, to: number, hit: Hit | null, adds?: string[]}} Rung
 * @typedef {{query: {kind: string, radius: number}, rungs: Rung[]}} Ladder
 * @typedef {{low: number, high: number, broken: boolean}} Axis
 */

/** Share of the largest radius below which the axis begins at the root. */
const BROKEN = 0.45;

/** Room below the smallest radius of an axis that does not begin at the root, as a share of its range. */
const ROOM = 0.12;

/**
 * The rungs of a ladder that hold an item.
 *
 * @param {Ladder} ladder
 * @returns {Rung[]}
 */
export function steps(ladder) {
  return ladder.rungs.filter((rung) => rung.hit);
}

/**
 * The axis that ladders share: from the root, or from just below the smallest radius where all are far from the root.
 *
 * @param {Ladder[]} ladders
 * @returns {Axis}
 */
export function axisOf(ladders) {
  const radii = ladders
    .flatMap((ladder) => [...steps(ladder).map(({ hit }) => hit?.radius), ladder.query.radius])
    .filter((radius) => Number.isFinite(radius))
    .map(Number);
  const high = Math.max(...radii, Number.MIN_VALUE);
  const least = Math.min(...radii, high);
  if (least < BROKEN * high) return { low: 0, high, broken: false };
  const range = high - least || 0.1 * high;
  return { low: least - ROOM * range, high, broken: true };
}

/**
 * Round radii on an axis, with the decimals that tell them apart.
 *
 * @param {Axis} axis
 * @returns {{value: number, label: string}[]}
 */
export function marks({ low, high }) {
  const values = ticks(low, high, 6);
  const step = values.length > 1 ? values[1] - values[0] : 1;
  const decimals = Math.max(0, Math.min(6, Math.ceil(-Math.log10(step) - 1e-9)));
  return values.map((value) => ({ value, label: number(value, decimals) }));
}

/**
 * Tops of labels that are as close to where they belong as they can be without overlapping, in the order that is given:
 * least squares under an order (pool adjacent violators), kept within a height.
 *
 * @param {number[]} wanted centres, ascending
 * @param {number[]} heights
 * @param {number} gap between two labels
 * @param {number} room height of the whole; it holds all labels
 * @returns {number[]}
 */
export function spread(wanted, heights, gap, room) {
  let used = 0;
  const before = heights.map((height) => (used += height + gap) - height - gap);
  const free = Math.max(0, room - (used - gap));
  /** @type {{sum: number, count: number}[]} */
  const blocks = [];
  wanted.forEach((centre, i) => {
    let block = { sum: centre - heights[i] / 2 - before[i], count: 1 };
    for (let last = blocks.at(-1); last && last.sum / last.count > block.sum / block.count; last = blocks.at(-1)) {
      block = { sum: block.sum + last.sum, count: block.count + last.count };
      blocks.pop();
    }
    blocks.push(block);
  });
  const shifts = blocks.flatMap(({ sum, count }) => Array(count).fill(Math.min(free, Math.max(0, sum / count))));
  return shifts.map((shift, i) => shift + before[i]);
}

/**
 * In how many of some ladders each item is, by id.
 *
 * @param {Ladder[]} ladders
 * @returns {Map<string, number>}
 */
export function shares(ladders) {
  const found = new Map();
  for (const ladder of ladders)
    for (const id of new Set(steps(ladder).map(({ hit }) => /** @type {Hit} */ (hit).id)))
      found.set(id, (found.get(id) ?? 0) + 1);
  return found;
}

/**
 * How a step that is in `count` of `all` ladders is marked; nothing where there is nothing to compare.
 *
 * @param {number} count
 * @param {number} all
 */
export function sharing(count, all) {
  if (all < 2) return "";
  if (count === 1) return "only here";
  return count === all ? "" : `in ${count} of ${all}`;
}

/**
 * Which steps ladders share, as a sentence.
 *
 * @param {Map<string, number>} counts from `shares`
 * @param {number} all ladders
 */
export function comparison(counts, all) {
  if (all < 2) return "";
  const common = [...counts.values()].filter((count) => count === all).length;
  const words = all === 2 ? "both spaces" : `all ${all} spaces`;
  if (common === counts.size) return `The same ${counts.size === 1 ? "step" : `${counts.size} steps`} in ${words}.`;
  const those = common === 1 ? "1 is" : `${common || "none"} ${common ? "are" : "is"}`;
  return `Of ${counts.size} different steps, ${those} in ${words}.`;
}

/**
 * The staircase: it goes down from the radius at which an item becomes the nearest to that of the next, and right to it.
 *
 * @param {Rung[]} rungs that hold an item
 * @param {(place: number) => number} x of a step
 * @param {(radius: number) => number} y of a radius
 * @param {number} end y of its foot
 * @returns {string} the data of a path
 */
export function stairPath(rungs, x, y, end) {
  const starts = rungs.map(({ hit }) => y(/** @type {Hit} */ (hit).radius));
  return starts
    .map((start, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${start.toFixed(1)}V${(starts[i + 1] ?? end).toFixed(1)}`)
    .join("");
}

/**
 * What a space says of a pair, and the class that shows it: yes or no where cones decide, else the rank among random pairs.
 *
 * @param {Hit} hit
 * @param {{yes?: string, no?: string, numbers?: boolean}} [how] words, and whether the margin or the rank is told
 * @returns {{words: string, css: string}}
 */
export function verdict({ is_query, entails, margin, rank }, { yes = "entails", no = "no", numbers = true } = {}) {
  if (is_query) return { words: "your query", css: "" };
  const size = numbers ? ` ${signed(margin)}` : "";
  if (entails !== null) return { words: `${entails ? `✓ ${yes}` : `✗ ${no}`}${size}`, css: entails ? "yes" : "no" };
  if (rank === null || !numbers) return { words: "", css: "" };
  return { words: `closer than ${rank < 1 ? `${number(100 * rank, 1)} % of pairs` : "all pairs"}`, css: "" };
}

/**
 * What a step says that neither the query nor a caption above it in a chain says; nothing where that is not known.
 *
 * @param {{adds?: string[]}} rung
 */
export function added({ adds }) {
  return adds?.length ? `adds “${adds.join(" ")}”` : "";
}
