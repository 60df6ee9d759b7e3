// @ts-check
/**
 * The camera of the disc: which isometry moves it, how it lies on the screen, and the way back.
 *
 * Base coordinates are those of the tiles, around the root. The view is the disc, moved by an isometry.
 * Pixels are those of CSS, from the left upper corner of the stage.
 */

import { apply, bringing, circle, compose, inverse, scaled, size, translation } from "./isometry.js";

/** @typedef {import("./isometry.js").Complex} Complex @typedef {import("./isometry.js").Circle} Circle */

/** Pixels between the rim and the edge of the stage. */
const MARGIN = 14;

/** Smallest and largest magnification. */
const ZOOMS = [0.4, 400];

/** Share of the way to the rim of the Poincare disk beyond which a pointer does not drag. */
const RIM = 0.995;

/** What the pointer, the wheel and the keys move. */
export class Camera {
  /** @param {{reach: number}} facts of the map; reach: largest |z| of an item */
  constructor({ reach }) {
    this.reach = reach;
    this.width = 1;
    this.height = 1;
    this.zoom = 1;
    /** @type {import("./isometry.js").Isometry} */
    this.isometry = bringing([0, 0]);
  }

  /** Where |z| = 1 of the view is drawn, in pixels from its centre. */
  get unit() {
    const fit = Math.max(1, Math.min(this.width, this.height) / 2 - MARGIN);
    return (this.zoom * fit) / this.reach;
  }

  /** Pixels of a point of the view. @param {Complex} w @returns {Complex} */
  pixels(w) {
    return [this.width / 2 + w[0] * this.unit, this.height / 2 - w[1] * this.unit];
  }

  /** The point of the view at a pixel; one beyond the disc is brought back to a distance from its centre.
   * @param {Complex} at @param {number} most @returns {Complex} */
  plane(at, most) {
    /** @type {Complex} */
    const w = [(at[0] - this.width / 2) / this.unit, (this.height / 2 - at[1]) / this.unit];
    const length = size(w);
    return length > most ? scaled(w, most / length) : w;
  }

  /** Pixels of a point in base coordinates. @param {Complex} z @returns {Complex} */
  onScreen(z) {
    return this.pixels(apply(this.isometry, z));
  }

  /** Base coordinates of a pixel. @param {Complex} at @returns {Complex} */
  base(at) {
    return apply(inverse(this.isometry), this.plane(at, 1));
  }

  /** The circle on the screen of a disk of base coordinates. @param {Circle} disk @returns {Circle} */
  circle(disk) {
    const { centre, radius } = circle(this.isometry, disk);
    return { centre: this.pixels(centre), radius: radius * this.unit };
  }

  /** The disk of base coordinates that holds what lies within some pixels of a pixel. @param {Complex} at @param {number} pixels @returns {Circle} */
  around(at, pixels) {
    return circle(inverse(this.isometry), { centre: this.plane(at, 1), radius: pixels / this.unit });
  }

  /** Whether a circle on the screen meets the stage. @param {Circle} disk */
  shows({ centre, radius }) {
    const x = Math.max(0, Math.min(this.width, centre[0]));
    const y = Math.max(0, Math.min(this.height, centre[1]));
    return Math.hypot(x - centre[0], y - centre[1]) <= radius;
  }

  /** Move the disc so that what is at one pixel comes to lie at another. @param {Complex} from @param {Complex} to */
  drag(from, to) {
    this.isometry = compose(translation(this.plane(from, RIM), this.plane(to, RIM)), this.isometry);
    this.bound();
  }

  /** Magnify around a pixel. @param {number} factor @param {Complex} [at] */
  magnify(factor, at = [this.width / 2, this.height / 2]) {
    const before = this.plane(at, Infinity);
    this.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], this.zoom * factor));
    if (size(before) <= RIM) this.drag(this.pixels(before), at);
  }

  /** What is at the centre, in base coordinates. @returns {Complex} */
  get centre() {
    return this.isometry.a;
  }

  /** Look at a point. @param {Complex} centre @param {number} turn @param {number} zoom */
  look(centre, turn, zoom) {
    this.isometry = { a: [centre[0], centre[1]], turn };
    this.zoom = Math.max(ZOOMS[0], Math.min(ZOOMS[1], zoom));
    this.bound();
  }

  /** Keep the centre of the stage among the items. */
  bound() {
    const length = size(this.isometry.a);
    if (length > this.reach) this.isometry = { ...this.isometry, a: scaled(this.isometry.a, this.reach / length) };
  }
}
