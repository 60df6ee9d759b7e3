// @ts-check
/**
 * The camera of a map: which isometry moves the chart, how the plane lies on the screen, and the way back.
 *
 * Base coordinates are those of the tiles, around the root. The view is the chart, moved by an isometry of its curvature.
 * Pixels are those of CSS, from the left upper corner of the stage.
 */

import {
  apply, bringing, circle, compose, FARTHEST, flatten, inverse, scaled, size, translation, unflatten,
} from "./isometry.js";

/**
 * @typedef {import("./isometry.js").Complex} Complex
 * @typedef {import("./isometry.js").Circle} Circle
 * @typedef {{kappa: number, scale: number, reach: number, extent: number, tiles: number[][]}} Chart facts of the map
 */

/** Pixels between the rim and the edge of the stage. */
const MARGIN = 14;

/** Smallest and largest magnification. */
const ZOOMS = [0.4, 400];

/** Share of the way to the rim of the Poincare disk beyond which a pointer does not drag. */
const RIM = 0.995;

/** What the pointer, the wheel and the keys move. */
export class Camera {
  /** @param {Chart} map */
  constructor(map) {
    this.map = map;
    this.width = 1;
    this.height = 1;
    this.zoom = 1;
    this.kappa = map.kappa;
    this.isometry = bringing(this.kappa, [0, 0]);
  }

  /** Where |z| = 1 of the view is drawn, in pixels from its centre. */
  get unit() {
    const fit = Math.max(1, Math.min(this.width, this.height) / 2 - MARGIN);
    return (this.zoom * fit) / (this.map.reach || 1);
  }

  /** Pixels of a point of the view. @param {Complex} w @returns {Complex} */
  pixels(w) {
    return [this.width / 2 + w[0] * this.unit, this.height / 2 - w[1] * this.unit];
  }

  /** The point of the view at a pixel. @param {Complex} at @returns {Complex} */
  plane(at) {
    return [(at[0] - this.width / 2) / this.unit, (this.height / 2 - at[1]) / this.unit];
  }

  /** Pixels of a point in base coordinates. @param {Complex} z @returns {Complex} */
  onScreen(z) {
    return this.pixels(apply(this.isometry, z));
  }

  /** Base coordinates of a pixel. @param {Complex} at @returns {Complex} */
  base(at) {
    return apply(inverse(this.isometry), this.within(this.plane(at), 1));
  }

  /** A point of the view, brought back to the Poincare disk if it lies beyond. @param {Complex} w @param {number} rim @returns {Complex} */
  within(w, rim) {
    const length = size(w);
    return this.kappa < 0 && length > rim ? scaled(w, rim / length) : w;
  }

  /** The circle on the screen of a disk of base coordinates. @param {Circle} disk @returns {Circle} */
  circle(disk) {
    const moved = circle(this.isometry, disk);
    return { centre: this.pixels(moved.centre), radius: moved.radius * this.unit, outside: moved.outside };
  }

  /** The disk of base coordinates that holds what lies within some pixels of a pixel. @param {Complex} at @param {number} pixels @returns {Circle} */
  around(at, pixels) {
    const disk = { centre: this.within(this.plane(at), 1), radius: pixels / this.unit };
    return circle(inverse(this.isometry), disk);
  }

  /** Whether a circle on the screen meets the stage. @param {Circle} disk */
  shows({ centre, radius, outside }) {
    if (outside || !Number.isFinite(radius)) return true;
    const x = Math.max(0, Math.min(this.width, centre[0]));
    const y = Math.max(0, Math.min(this.height, centre[1]));
    return Math.hypot(x - centre[0], y - centre[1]) <= radius;
  }

  /** Move the plane so that what is at one pixel comes to lie at another. @param {Complex} from @param {Complex} to */
  drag(from, to) {
    const [start, end] = [from, to].map((at) => this.within(this.plane(at), RIM));
    this.isometry = compose(translation(this.kappa, start, end), this.isometry);
    this.bound();
  }

  /** Magnify around a pixel. @param {number} factor @param {Complex} [at] */
  magnify(factor, at = [this.width / 2, this.height / 2]) {
    const before = this.plane(at);
    this.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], this.zoom * factor));
    if (this.kappa < 0 && size(before) > RIM) return;
    this.drag(this.pixels(before), at);
  }

  /** The point at the centre as a vector at the root, in geodesic units: the same for every chart and curvature. @returns {Complex} */
  get centre() {
    const { kappa, scale } = this.map;
    return scaled(flatten(kappa, this.isometry.a), 1 / scale);
  }

  /** Look at a point, given as a vector at the root in geodesic units. @param {Complex} centre @param {number} turn @param {number} zoom */
  look(centre, turn, zoom) {
    const a = unflatten(this.map.kappa, scaled(centre, this.map.scale));
    this.isometry = { kappa: this.kappa, a: /** @type {Complex} */ ([a[0], a[1]]), turn };
    this.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], zoom));
    this.bound();
  }

  /** Keep the centre of the stage among the points: within the rim of what is drawn. */
  bound() {
    const most = Math.min(this.map.reach, FARTHEST);
    const length = size(this.isometry.a);
    if (!(length > most)) return;
    this.isometry = { ...this.isometry, a: scaled(this.isometry.a, most / length) };
  }
}
