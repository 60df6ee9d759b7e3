// @ts-check
/**
 * Which point is under the pointer, and which are in sight: a grid over the base coordinates of every tile.
 *
 * The grid does not depend on the view: the disk of pixels around the pointer is taken back to base coordinates, exactly,
 * and only the points of the cells that it meets are transformed.
 */

import { inside } from "./isometry.js";
import { HIDDEN } from "./marks.js";

/**
 * @typedef {import("./levels.js").Tile} Tile
 * @typedef {import("./levels.js").Square} Square
 * @typedef {import("./camera.js").Camera} Camera
 * @typedef {{square: Square, tile: Tile, count: number, grid: Grid}} Drawn the first `count` points of a tile
 * @typedef {{id: string, z: [number, number], at: [number, number], radius: number, tier: number, kind: number}} Found
 */

/** Cells along a side of a tile. */
const SIDE = 24;

/** The points of a tile by the cells of its square. */
export class Grid {
  /** @param {Square} square @param {Tile} tile */
  constructor({ circle }, tile) {
    const half = circle.radius * Math.SQRT1_2;
    this.left = circle.centre[0] - half;
    this.low = circle.centre[1] - half;
    this.cell = (2 * half) / SIDE;
    const count = tile.x.length;
    const cells = new Uint16Array(count);
    this.starts = new Uint32Array(SIDE * SIDE + 1);
    for (let i = 0; i < count; i++) {
      cells[i] = this.place(tile.y[i] - this.low) * SIDE + this.place(tile.x[i] - this.left);
      this.starts[cells[i] + 1] += 1;
    }
    for (let i = 0; i < SIDE * SIDE; i++) this.starts[i + 1] += this.starts[i];
    const next = this.starts.slice();
    this.order = new Uint32Array(count);
    for (let i = 0; i < count; i++) this.order[next[cells[i]]++] = i;
  }

  /** @param {number} along */
  place(along) {
    return Math.max(0, Math.min(SIDE - 1, Math.floor(along / this.cell)));
  }

  /** Call a function with the points of the cells that meet a disk. @param {import("./isometry.js").Circle} disk @param {(place: number) => void} visit */
  within({ centre, radius }, visit) {
    const [x0, x1] = [this.place(centre[0] - radius - this.left), this.place(centre[0] + radius - this.left)];
    const [y0, y1] = [this.place(centre[1] - radius - this.low), this.place(centre[1] + radius - this.low)];
    for (let y = y0; y <= y1; y++)
      for (let at = this.starts[y * SIDE + x0]; at < this.starts[y * SIDE + x1 + 1]; at++) visit(this.order[at]);
  }
}

/** A point of a tile. @param {Tile} tile @param {number} i @param {[number, number]} at @returns {Found} */
function found(tile, i, at) {
  return { id: String(tile.ids[i]), z: [tile.x[i], tile.y[i]], at, radius: tile.radius[i], tier: tile.tier[i], kind: tile.kind[i] };
}

/** The drawn point nearest to a pixel, at most some pixels away. @param {Iterable<Drawn>} drawn @param {Camera} camera @param {[number, number]} at @param {number} pixels @returns {Found | null} */
export function nearest(drawn, camera, at, pixels) {
  const disk = camera.around(at, pixels);
  let best = null;
  let least = pixels;
  for (const { square, tile, count, grid } of drawn) {
    const { centre, radius } = square.circle;
    if (Math.hypot(centre[0] - disk.centre[0], centre[1] - disk.centre[1]) > radius + disk.radius) continue;
    grid.within(disk, (i) => {
      if (i >= count || tile.colour[i] === HIDDEN) return;
      const seen = camera.onScreen([tile.x[i], tile.y[i]]);
      const away = Math.hypot(seen[0] - at[0], seen[1] - at[1]);
      if (away > least) return;
      least = away;
      best = found(tile, i, seen);
    });
  }
  return best;
}

/** Drawn points on the stage, those nearest to the root first. @param {Iterable<Drawn>} drawn @param {Camera} camera @param {number} most */
export function inSight(drawn, camera, most) {
  return ranked(drawn, camera, most, (tile, i) => tile.radius[i]);
}

/** Drawn points on the stage, those nearest to a pixel first. @param {Iterable<Drawn>} drawn @param {Camera} camera @param {[number, number]} at @param {number} most */
export function around(drawn, camera, at, most) {
  return ranked(drawn, camera, most, (_tile, _i, seen) => Math.hypot(seen[0] - at[0], seen[1] - at[1]));
}

/** Ids of the drawn points within a polygon, those nearest to the root first. @param {Iterable<Drawn>} drawn @param {Camera} camera @param {[number, number][]} polygon pixels */
export function enclosed(drawn, camera, polygon) {
  const [low, high] = [Math.min, Math.max].map((end) => [0, 1].map((axis) => end(...polygon.map((at) => at[axis]))));
  const held = [];
  for (const { tile, count } of drawn)
    for (let i = 0; i < Math.min(count, tile.x.length); i++) {
      const at = camera.onScreen([tile.x[i], tile.y[i]]);
      if (tile.colour[i] === HIDDEN || at.some((value, axis) => value < low[axis] || value > high[axis])) continue;
      if (inside(polygon, at)) held.push({ id: String(tile.ids[i]), radius: tile.radius[i] });
    }
  return held.sort((a, b) => a.radius - b.radius).map(({ id }) => id);
}

/**
 * The item nearest to the root in each field of a chessboard over the stage, captions before images: few points, far from each other.
 * @param {Iterable<Drawn>} drawn @param {Camera} camera @param {number} fields along a side @returns {Found[]}
 */
export function landmarks(drawn, camera, fields) {
  /** @type {Map<string, Found>} */
  const first = new Map();
  for (const { tile, count } of drawn)
    for (let i = 0; i < Math.min(count, tile.x.length); i++) {
      if (tile.colour[i] === HIDDEN) continue;
      const [x, y] = camera.onScreen([tile.x[i], tile.y[i]]);
      const field = [x / camera.width, y / camera.height].map((share) => Math.floor(fields * share));
      if (field.some((place) => place < 0 || place >= fields)) continue;
      const before = first.get(field.join());
      if (!before || tile.kind[i] < before.kind || (tile.kind[i] === before.kind && tile.radius[i] < before.radius))
        first.set(field.join(), found(tile, i, [x, y]));
    }
  return [...first.values()];
}

/** Distance from the centre of the names of the values of a column. */
const NAMES = 0.58;

/** Where the points of each bin of a column are on the whole, at one distance from the root. @param {Iterable<Drawn>} drawn
 * @param {(id: bigint) => number} bin @param {number} count bins @returns {[number, number][]} NaN for a bin without points */
export function regions(drawn, bin, count) {
  /** @type {[number, number][]} */
  const sums = Array.from({ length: count }, () => [0, 0]);
  for (const { tile, count: some } of drawn)
    for (let i = 0; i < Math.min(some, tile.x.length); i++) {
      const sum = sums[bin(tile.ids[i])];
      if (!sum || tile.colour[i] === HIDDEN) continue;
      sum[0] += tile.x[i];
      sum[1] += tile.y[i];
    }
  return sums.map(([x, y]) => [(NAMES * x) / Math.hypot(x, y), (NAMES * y) / Math.hypot(x, y)]);
}

/** Points examined for a list at most: coarse tiles come first, so that what is left out is a fair share. */
const EXAMINED = 120000;

/** @param {Iterable<Drawn>} drawn @param {Camera} camera @param {number} most @param {(tile: Tile, i: number, seen: [number, number]) => number} measure */
function ranked(drawn, camera, most, measure) {
  /** @type {{tile: Tile, i: number, seen: [number, number], value: number}[]} */
  let kept = [];
  let worst = Infinity;
  let left = EXAMINED;
  for (const { square, tile, count } of drawn) {
    if (left <= 0) break;
    if (!camera.shows(camera.circle(square.circle))) continue;
    const last = Math.min(count, tile.x.length, left);
    left -= last;
    for (let i = 0; i < last; i++) {
      if (tile.colour[i] === HIDDEN) continue;
      const seen = camera.onScreen([tile.x[i], tile.y[i]]);
      if (seen[0] < 0 || seen[1] < 0 || seen[0] > camera.width || seen[1] > camera.height) continue;
      const value = measure(tile, i, seen);
      if (value >= worst) continue;
      kept.push({ tile, i, seen, value });
      if (kept.length < 2 * most) continue;
      kept = kept.sort((a, b) => a.value - b.value).slice(0, most);
      worst = kept[most - 1].value;
    }
  }
  return kept.sort((a, b) => a.value - b.value).slice(0, most).map(({ tile, i, seen }) => found(tile, i, seen));
}
