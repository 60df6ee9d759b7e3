// @ts-check
/**
 * Which tiles to load and to draw: coarse levels first, within a number of points, and as fine as the screen can show.
 *
 * The tiles are an additive quadtree: one holds random points of its square that no coarser tile holds, so that every
 * level that is drawn adds to those above it, and the first points of a tile are a fair sample of all of it.
 */

/**
 * @typedef {import("./isometry.js").Circle} Circle
 * @typedef {{ids: BigUint64Array, x: Float32Array, y: Float32Array, radius: Float32Array, tier: Int8Array, kind: Uint8Array,
 *   colour: Uint8Array, shape: Uint8Array, from?: [Float32Array, Float32Array]}} Tile colour, shape: as its style dresses it;
 *   from: where its points were in another space
 * @typedef {{key: string, level: number, x: number, y: number, count: number, circle: Circle}} Square
 * @typedef {{key: string, square: Square, count: number}} Choice the first `count` points of a tile
 */

/** Radius in pixels of a square on the screen below which finer tiles would add points closer than one pixel. */
const FINEST = 40;

/** Requests at a time. */
const REQUESTS = 4;

/** Bytes of tiles that are kept: more than two million points. */
const BYTES = 64 * 2 ** 20;

/** Milliseconds after which a tile that failed is asked for again. */
const PATIENCE = 4000;

/** @type {(level: number, x: number, y: number) => string} */
export const keyOf = (level, x, y) => `${level}/${x}/${y}`;

/** The tiles of a map by their keys. @param {{extent: number, tiles: number[][]}} map @returns {Map<string, Square>} */
export function squares({ extent, tiles }) {
  const found = new Map();
  for (const [level, x, y, count] of tiles) {
    const side = (2 * extent) / 2 ** level;
    /** @type {[number, number]} */
    const centre = [(x + 0.5) * side - extent, (y + 0.5) * side - extent];
    const key = keyOf(level, x, y);
    found.set(key, { key, level, x, y, count, circle: { centre, radius: side * Math.SQRT1_2 } });
  }
  return found;
}

/**
 * The tiles of a view, coarse ones first, and how many points of each: of a level that does not fit into what is left of
 * the budget the same share of every tile, so that the picture stays even.
 * @param {Map<string, Square>} tree
 * @param {{circle: (disk: Circle) => Circle, shows: (disk: Circle) => boolean}} camera
 * @param {number} budget points
 * @param {(square: Square) => boolean} [there] leaves out tiles, for example those not loaded
 * @returns {Choice[]}
 */
export function choose(tree, camera, budget, there = () => true) {
  /** @type {Choice[]} */
  const chosen = [];
  let left = budget;
  let row = seen(tree, camera, [keyOf(0, 0, 0)]);
  while (row.length && left > 0) {
    const drawn = row.filter(({ square }) => there(square));
    const total = drawn.reduce((sum, { square }) => sum + square.count, 0);
    const share = Math.min(1, left / Math.max(1, total));
    for (const { square } of drawn) {
      const count = share < 1 ? Math.floor(square.count * share) : square.count;
      if (count > 0) chosen.push({ key: square.key, square, count });
    }
    left -= total;
    const finer = row.filter(({ shown }) => !(shown.radius < FINEST));
    row = seen(tree, camera, finer.flatMap(({ square: { level, x, y } }) =>
      [0, 1, 2, 3].map((part) => keyOf(level + 1, 2 * x + (part & 1), 2 * y + (part >> 1)))));
  }
  return chosen;
}

/**
 * Those of some tiles that are in sight, large ones first.
 * @param {Map<string, Square>} tree
 * @param {{circle: (disk: Circle) => Circle, shows: (disk: Circle) => boolean}} camera
 * @param {string[]} keys
 */
function seen(tree, camera, keys) {
  return keys
    .flatMap((key) => tree.get(key) ?? [])
    .map((square) => ({ square, shown: camera.circle(square.circle) }))
    .filter(({ shown }) => camera.shows(shown))
    .sort((a, b) => b.shown.radius - a.shown.radius);
}

/** Loads tiles in the order in which they are wanted, a few at a time, and keeps those that were used last. */
export class Loader {
  /**
   * @param {(square: Square) => Promise<Tile>} fetch
   * @param {{loaded: (key: string, tile: Tile) => void, dropped: (key: string) => void, failed: (error: Error) => void}} tell
   * @param {{bytes?: number, requests?: number}} [limits]
   */
  constructor(fetch, tell, { bytes = BYTES, requests = REQUESTS } = {}) {
    this.fetch = fetch;
    this.tell = tell;
    this.limits = { bytes, requests };
    /** Least recently wanted first. @type {Map<string, Tile>} */
    this.tiles = new Map();
    /** @type {Square[]} */
    this.queue = [];
    /** @type {Set<string>} */
    this.asked = new Set();
    /** When a tile failed. @type {Map<string, number>} */
    this.failures = new Map();
    this.bytes = 0;
    this.closed = false;
  }

  /** Replace what is wanted, most urgent first. @param {Square[]} wanted */
  want(wanted) {
    for (const { key } of wanted) {
      const tile = this.tiles.get(key);
      if (tile && this.tiles.delete(key)) this.tiles.set(key, tile);
    }
    const now = Date.now();
    const waits = (/** @type {string} */ key) => now - (this.failures.get(key) ?? -Infinity) < PATIENCE;
    this.queue = wanted.filter(({ key }) => !this.tiles.has(key) && !this.asked.has(key) && !waits(key));
    this.needed = new Set(wanted.map(({ key }) => key));
    this.next();
  }

  get idle() {
    return !this.queue.length && !this.asked.size;
  }

  next() {
    while (!this.closed && this.asked.size < this.limits.requests && this.queue.length) {
      const square = /** @type {Square} */ (this.queue.shift());
      this.asked.add(square.key);
      this.fetch(square).then((tile) => this.keep(square.key, tile), (error) => this.fail(square.key, error));
    }
  }

  /** @param {string} key @param {Error} error */
  fail(key, error) {
    this.asked.delete(key);
    this.failures.set(key, Date.now());
    if (this.closed) return;
    this.tell.failed(error);
    this.next();
  }

  /** @param {string} key @param {Tile} tile */
  keep(key, tile) {
    this.asked.delete(key);
    if (this.closed) return;
    this.tiles.set(key, tile);
    this.bytes += bytesOf(tile);
    this.tell.loaded(key, tile);
    for (const [old, its] of this.tiles) {
      if (this.bytes <= this.limits.bytes) break;
      if (old === key || this.needed?.has(old)) continue;
      this.tiles.delete(old);
      this.bytes -= bytesOf(its);
      this.tell.dropped(old);
    }
    this.next();
  }

  close() {
    this.closed = true;
    this.queue = [];
    this.tiles.clear();
  }
}

/** @param {Tile} tile */
const bytesOf = (tile) => tile.ids.length * 22;

/** How many points a frame may draw, from how long frames take: fewer at once when one is slow, slowly more otherwise. */
export class Pace {
  constructor({ least = 4000, most = 1e6, first = 24000, slow = 50, quick = 24 } = {}) {
    this.budget = first;
    this.bounds = [least, most];
    this.slow = slow;
    this.quick = quick;
  }

  /** @param {number} duration milliseconds between two frames in succession @param {number} drawn points of the last one */
  after(duration, drawn) {
    const [least, most] = this.bounds;
    if (duration > this.slow) this.budget = Math.max(least, Math.min(this.budget, drawn) * Math.max(0.4, this.slow / duration / 1.25));
    else if (duration < this.quick && drawn > 0.8 * this.budget) this.budget = Math.min(most, this.budget * 1.15);
  }
}
