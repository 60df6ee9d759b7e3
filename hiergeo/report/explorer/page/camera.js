// @ts-check
/**
 * The camera of a map: which isometry moves the chart, how the plane lies on the screen, and the way back.
 *
 * Base coordinates are those of the tiles: the chart around the root. The view is either the chart itself, moved by an
 * isometry of its curvature ("disk"), or polar coordinates (radius, angle), moved by a translation ("flat"). Pixels are
 * those of CSS, from the left upper corner of the stage.
 */

import {
  apply, arctangent, bringing, circle, compose, FARTHEST, flatten, inverse, scaled, size, translation, unflatten,
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
  /** @param {Chart} map @param {"disk" | "flat"} chart */
  constructor(map, chart = "disk") {
    this.map = map;
    this.width = 1;
    this.height = 1;
    this.zoom = 1;
    this.chart = chart;
    this.kappa = chart === "flat" ? 0 : map.kappa;
    this.isometry = bringing(this.kappa, [0, 0]);
  }

  /** Where |z| = 1 of the view is drawn, in pixels from its centre. */
  get unit() {
    const { kappa } = this.map;
    const reach = this.map.reach || 1;
    const fit = Math.max(1, Math.min(this.width, this.height) / 2 - MARGIN);
    return (this.zoom * fit) / (this.chart === "flat" ? arctangent(kappa, reach) : reach);
  }

  /** Base coordinates of a point in those of the view, before the isometry. @param {Complex} z @returns {Complex} */
  laid(z) {
    return this.chart === "flat" ? flatten(this.map.kappa, z) : z;
  }

  /** The inverse of `laid`. @param {Complex} z @returns {Complex} */
  lifted(z) {
    return this.chart === "flat" ? unflatten(this.map.kappa, z) : z;
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
    return this.pixels(apply(this.isometry, this.laid(z)));
  }

  /** Base coordinates of a pixel. @param {Complex} at @returns {Complex} */
  base(at) {
    return this.lifted(apply(inverse(this.isometry), this.within(this.plane(at), 1)));
  }

  /** A point of the view, brought back to the Poincare disk if it lies beyond. @param {Complex} w @param {number} rim @returns {Complex} */
  within(w, rim) {
    const length = size(w);
    return this.kappa < 0 && length > rim ? scaled(w, rim / length) : w;
  }

  /** The circle on the screen of a disk of base coordinates; in the flat chart one that holds its image. @param {Circle} disk @returns {Circle} */
  circle(disk) {
    const moved = circle(this.isometry, this.chart === "flat" ? this.flat(disk) : disk);
    return { centre: this.pixels(moved.centre), radius: moved.radius * this.unit, outside: moved.outside };
  }

  /** A circle that holds the image of a disk under `flatten`: around the sector of a ring in which the disk lies. @param {Circle} disk @returns {Circle} */
  flat({ centre, radius }) {
    const { kappa, reach } = this.map;
    const from = size(centre);
    const far = arctangent(kappa, Math.min(from + radius, reach));
    if (from <= radius) return { centre: [0, 0], radius: far };
    const near = arctangent(kappa, Math.min(from - radius, reach));
    const half = Math.asin(radius / from);
    const middle = (near + far) / 2;
    const corner = (/** @type {number} */ r) => Math.hypot(r * Math.cos(half) - middle, r * Math.sin(half));
    return { centre: scaled(centre, middle / from), radius: Math.max(corner(near), corner(far), (far - near) / 2) };
  }

  /** The disk of base coordinates that holds what lies within some pixels of a pixel. @param {Complex} at @param {number} pixels @returns {Circle} */
  around(at, pixels) {
    const disk = { centre: this.within(this.plane(at), 1), radius: pixels / this.unit };
    const moved = circle(inverse(this.isometry), disk);
    if (this.chart !== "flat") return moved;
    const farthest = Math.min(Math.atan(FARTHEST), size(moved.centre) + moved.radius);
    const widest = this.map.kappa > 0 ? 1 + Math.tan(farthest) ** 2 : 1;
    return { centre: this.lifted(moved.centre), radius: moved.radius * widest };
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
    const at = this.isometry.a;
    return scaled(this.chart === "flat" ? at : flatten(kappa, at), 1 / scale);
  }

  /** Look at a point, given as a vector at the root in geodesic units. @param {Complex} centre @param {number} turn @param {number} zoom */
  look(centre, turn, zoom) {
    const at = scaled(centre, this.map.scale);
    const a = this.chart === "flat" ? at : unflatten(this.map.kappa, at);
    this.isometry = { kappa: this.kappa, a: /** @type {Complex} */ ([a[0], a[1]]), turn };
    this.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], zoom));
    this.bound();
  }

  /** Keep the centre of the stage among the points: within the rim of what is drawn. */
  bound() {
    const { kappa, reach } = this.map;
    const most = this.chart === "flat" ? arctangent(kappa, reach) : Math.min(reach, FARTHEST);
    const length = size(this.isometry.a);
    if (!(length > most)) return;
    this.isometry = { ...this.isometry, a: scaled(this.isometry.a, most / length) };
  }
}
