// @ts-check
/**
 * The picture of one lens: a stage with its points and drawings, its camera, and the loop that paints it.
 *
 * A frame never draws more points than the pace allows. While the map moves, that is a fair sample of what is in sight; as
 * soon as it rests, the remaining points are added a frame at a time, without clearing, until all are there.
 */

import { Camera } from "./camera.js";
import { h } from "./dom.js";
import { Grid } from "./grid.js";
import { apply, compose, geodesic, translation } from "./isometry.js";
import { choose, Loader, squares } from "./levels.js";
import { Overlay } from "./overlay.js";
import { painterOf } from "./points.js";
import { NOTHING } from "./related.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {import("./levels.js").Pace} Pace
 * @typedef {import("./grid.js").Drawn} Drawn
 * @typedef {{moved: (stage: Stage) => void, failed: (error: Error) => void, drawn: (count: number) => void}} Tell what the stage
 *   says: the camera was moved, something cannot be had, all that is wanted is drawn
 */

/** Milliseconds without movement after which a map rests. */
const REST = 160;

/** Milliseconds between two choices of tiles to load while the map moves. */
const PLANNED = 120;

/** What stands where the points were while the browser has no graphics memory for them. */
const LOST = "The browser took the graphics memory of this map: its points come back with it. If they do not, load the page again.";

/** Milliseconds of the way to a point that is brought to the centre. */
const WAY = 420;

/** Milliseconds in which points go from where they were in another space. */
const MORPH = 600;

/** Milliseconds in which a ladder is drawn. */
const GROWTH = 1200;

/** Whether nothing moves of its own accord. */
const still = () => matchMedia("(prefers-reduced-motion: reduce)").matches || document.hidden;

export class Stage {
  /**
   * @param {any} source @param {any} lens @param {any} facts of its map
   * @param {{pace: Pace, style: import("./marks.js").Style}} look
   * @param {Tell} tell
   * @param {Map<bigint, Complex> | null} from where the points were in the space that was shown before
   */
  constructor(source, lens, facts, { pace, style }, tell, from = null) {
    this.lens = lens;
    this.facts = facts;
    this.pace = pace;
    this.style = style;
    this.tell = tell;
    this.from = still() ? null : from;
    this.left = Infinity;
    this.camera = new Camera(facts);
    this.tree = squares(facts);
    this.overlay = new Overlay();
    this.canvas = h("canvas", { class: "map-points", "aria-hidden": "true" });
    const lost = h("p", { class: "map-lost", role: "status" });
    this.element = h("div", { class: "map-stage", tabindex: 0, role: "application", "aria-roledescription": "map" },
      this.overlay.ground, this.canvas, this.overlay.front, lost);
    this.painter = painterOf(this.canvas, (gone) => {
      lost.textContent = gone ? LOST : "";
      if (!gone) this.repaint();
    });
    this.loader = new Loader(({ level, x, y }) => source.tile(lens.key, level, x, y, facts.version), {
      loaded: (key, tile) => this.arrived(key, tile),
      dropped: (key) => this.forget(key),
      failed: (error) => {
        tell.failed(error);
        this.retry = window.setTimeout(() => this.plan(), 5000);
      },
    });
    /** @type {Map<string, Grid>} */
    this.grids = new Map();
    /** Points of each tile that are on the canvas. @type {Map<string, number>} */
    this.drawn = new Map();
    /** What is to be added. @type {{key: string, from: number, to: number}[]} */
    this.rest = [];
    this.shown = { related: NOTHING, landmarks: /** @type {import("./related.js").Placed[]} */ ([]), hovered: /** @type {Complex | null} */ (null), region: /** @type {Complex[] | null} */ (null), brush: /** @type {Complex[] | null} */ (null) };
    this.version = 0;
    this.size = 4;
    this.began = -Infinity;
    this.movedAt = -Infinity;
    this.plannedAt = -Infinity;
    this.before = 0;
    this.count = 0;
    this.wanted = 0;
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(this.element);
  }

  fit() {
    const { clientWidth, clientHeight } = this.element;
    if (!clientWidth || !clientHeight) return;
    [this.camera.width, this.camera.height] = [clientWidth, clientHeight];
    this.repaint();
  }

  /** Paint everything anew, without taking it for a movement. */
  repaint() {
    this.version += 1;
    this.stale = true;
    this.plannedAt = -Infinity;
    this.request();
  }

  /** Paint what lies around the points anew. @param {Partial<Stage["shown"]>} patch */
  show(patch) {
    Object.assign(this.shown, patch);
    this.outdated = true;
    this.request();
  }

  /** The ladder grows outwards, from now on. */
  grow() {
    if (!still()) this.began = performance.now();
  }

  /** The camera was moved. @param {boolean} [told] whether the others hear of it */
  changed(told = true) {
    this.movedAt = performance.now();
    this.version += 1;
    this.stale = true;
    this.request();
    if (told) this.tell.moved(this);
  }

  request() {
    this.frame ||= requestAnimationFrame((time) => this.tick(time));
  }

  /** @param {number} time */
  tick(time) {
    this.frame = 0;
    if (!this.element.clientWidth || this.closed) return;
    this.step?.();
    const way = this.from !== null && this.left < Infinity;
    if (way) this.stale = true;
    if (way && performance.now() - this.left > MORPH) this.arrive();
    const moving = performance.now() - this.movedAt < REST;
    if (this.before && this.busy) this.pace.after(time - this.before, this.busy);
    this.busy = 0;
    if (this.stale) this.paint();
    else if (this.rest.length) this.refine();
    const grown = Math.min(1, (performance.now() - this.began) / GROWTH);
    if (this.outdated) this.overlay.draw(this.camera, this.facts, this.shown, grown);
    this.outdated = grown < 1;
    if (!moving || time - this.plannedAt > PLANNED) this.plan(time);
    const settled = !this.rest.length && this.loader.idle;
    if (settled && this.count > this.painter.limit) this.stale = true; // coarse tiles filled in for late ones
    const going = moving || this.outdated || this.stale || this.rest.length > 0 || this.step || this.from;
    this.before = going ? time : 0;
    if (going) this.request();
    else if (this.loader.idle) this.tell.drawn(this.count);
  }

  get allowed() {
    return Math.min(this.painter.limit, this.pace.budget);
  }

  begin(/** @type {boolean} */ fresh) {
    const ratio = Math.min(2, window.devicePixelRatio || 1);
    const alpha = this.wanted > 30000 ? 0.75 : 0.9;
    const share = this.from ? Math.min(1, Math.max(0, (performance.now() - this.left) / MORPH)) : 1;
    this.painter.begin({ camera: this.camera, style: this.style, ratio, size: this.size, alpha, share }, fresh);
  }

  /** Clear, and draw a fair share of what is in sight. */
  paint() {
    this.stale = false;
    this.outdated = true;
    this.rest = [];
    this.drawn.clear();
    this.begin(true);
    const chosen = choose(this.tree, this.camera, this.allowed, ({ key }) => this.loader.tiles.has(key));
    this.count = 0;
    for (const { key, count } of chosen) this.add(key, 0, count);
    this.ready = false;
  }

  /** Add points to the picture as it is. */
  refine() {
    this.begin(false);
    let left = this.allowed;
    while (left > 0 && this.rest.length) {
      const part = this.rest[0];
      const to = Math.min(part.to, part.from + Math.ceil(left));
      left -= to - part.from;
      this.add(part.key, part.from, to);
      if (to >= part.to) this.rest.shift();
      else part.from = to;
    }
  }

  /** @param {string} key @param {number} from @param {number} to */
  add(key, from, to) {
    this.painter.draw(key, from, to);
    this.drawn.set(key, to);
    this.count += to - from;
    this.busy = (this.busy ?? 0) + to - from;
  }

  /** Choose what to load, and at rest what to add to the picture. @param {number} [time] */
  plan(time = performance.now()) {
    if (this.closed || (this.ready && this.loader.idle && !this.retry)) return;
    this.retry = 0;
    this.plannedAt = time;
    const chosen = choose(this.tree, this.camera, this.painter.limit);
    this.wanted = chosen.reduce((sum, { count }) => sum + count, 0);
    this.loader.want(chosen.map(({ square }) => square));
    if (performance.now() - this.movedAt < REST) return;
    this.ready = true;
    const size = this.sizeFor(chosen);
    if (Math.abs(size - this.size) > 0.25) {
      this.size = size;
      this.stale = true;
      this.ready = false;
      return this.request();
    }
    this.counts = new Map(chosen.map(({ key, count }) => [key, count]));
    this.rest = chosen.flatMap(({ key, count }) => {
      const from = this.drawn.get(key) ?? 0;
      return this.loader.tiles.has(key) && from < count ? [{ key, from, to: count }] : [];
    });
    if (this.rest.length) this.request();
  }

  /** Pixels of a point: larger where there is room between them. @param {import("./levels.js").Choice[]} chosen */
  sizeFor(chosen) {
    const area = this.camera.width * this.camera.height;
    const shares = chosen.map(({ square, count }) => {
      const { radius } = this.camera.circle(square.circle);
      return count * (radius < Infinity ? Math.min(1, area / (2 * radius * radius)) : 1);
    });
    const spacing = Math.sqrt(area / Math.max(1, shares.reduce((sum, share) => sum + share, 0)));
    return Math.max(2, Math.min(9, 0.5 + 1.6 * Math.log2(Math.max(1, spacing))));
  }

  /** @param {string} key @param {import("./levels.js").Tile} tile */
  arrived(key, tile) {
    const { from } = this;
    if (from) {
      this.left = Math.min(this.left, performance.now());
      const way = Array.from(tile.ids, (id, i) => from.get(id) ?? [tile.x[i], tile.y[i]]);
      tile.from = [Float32Array.from(way, ([x]) => x), Float32Array.from(way, ([, y]) => y)];
    }
    this.style.dress(tile);
    this.painter.add(key, tile);
    const count = this.counts?.get(key);
    if (this.ready && count) this.rest.push({ key, from: this.drawn.get(key) ?? 0, to: Math.min(count, tile.ids.length) });
    else if (!this.ready) this.stale = true;
    this.version += 1;
    this.request();
  }

  /** The points are where they belong. */
  arrive() {
    this.from = null;
    for (const [key, tile] of this.loader.tiles) {
      delete tile.from;
      this.painter.add(key, tile);
    }
  }

  /** Where the points on the canvas are, by their ids. @returns {Map<bigint, Complex>} */
  places() {
    const found = new Map();
    for (const { tile, count } of this.tiles()) for (let i = 0; i < count; i++) found.set(tile.ids[i], [tile.x[i], tile.y[i]]);
    return found;
  }

  /** @param {string} key */
  forget(key) {
    this.painter.remove(key);
    this.grids.delete(key);
    this.drawn.delete(key);
  }

  /** The tiles on the canvas. @returns {Generator<Drawn>} */
  *tiles() {
    for (const [key, count] of this.drawn) {
      const [square, tile] = [this.tree.get(key), this.loader.tiles.get(key)];
      if (!square || !tile) continue;
      let grid = this.grids.get(key);
      if (!grid) this.grids.set(key, (grid = new Grid(square, tile)));
      yield { square, tile, count, grid };
    }
  }

  /** @param {import("./marks.js").Style} style */
  restyle(style) {
    this.style = style;
    for (const [key, tile] of this.loader.tiles) {
      style.dress(tile);
      this.painter.add(key, tile);
    }
    this.repaint();
  }

  /** Whether a point is in sight. @param {Complex} z base coordinates */
  holds(z) {
    const [x, y] = this.camera.onScreen(z);
    return x >= 0 && y >= 0 && x <= this.camera.width && y <= this.camera.height;
  }

  /** Bring a point to the centre, along the geodesic. @param {Complex} z base coordinates */
  centre(z) {
    const { camera } = this;
    const start = camera.isometry;
    const from = apply(start, z);
    const way = geodesic(from, [0, 0], 60);
    const arrive = (/** @type {Complex} */ to) => {
      camera.isometry = compose(translation(from, to), start);
      camera.bound();
      this.changed();
    };
    if (still() || way.length < 3) return arrive([0, 0]);
    const began = performance.now();
    this.step = () => {
      const share = Math.min(1, (performance.now() - began) / WAY);
      const eased = share < 0.5 ? 2 * share * share : 1 - 2 * (1 - share) ** 2;
      arrive(way[Math.round(60 * eased)]);
      if (share >= 1) this.step = undefined;
    };
    this.request();
  }

  /** @param {Complex} from @param {Complex} to pixels */
  drag(from, to) {
    this.step = undefined;
    this.camera.drag(from, to);
    this.changed();
  }

  /** @param {number} factor @param {Complex} [at] */
  magnify(factor, at) {
    this.step = undefined;
    this.camera.magnify(factor, at);
    this.changed();
  }

  reset() {
    this.step = undefined;
    this.camera.look([0, 0], 0, 1);
    this.changed();
  }

  close() {
    this.closed = true;
    cancelAnimationFrame(this.frame ?? 0);
    clearTimeout(this.retry);
    this.observer.disconnect();
    this.loader.close();
    this.painter.close();
  }
}
