// @ts-check
/**
 * Isometries of the three planes of constant curvature, as maps of one complex chart.
 *
 * kappa is the sign of the curvature: -1 the Poincare disk, 0 the plane, 1 the sphere seen stereographically. A point at
 * geodesic distance d from the origin lies at |z| = tan_kappa(d / 2): tanh, the identity, tan. Every isometry that keeps
 * the orientation is
 *
 *     z -> exp(i turn) (z - a) / (1 + kappa conj(a) z),
 *
 * with `a` the point that comes to lie at the origin, and so is written {kappa, a, turn}. Mobius maps take circles to
 * circles, so that circles are transformed exactly. Everything is computed in float64.
 */

/** @typedef {[number, number]} Complex */
/** @typedef {{kappa: number, a: Complex, turn: number}} Isometry */
/** @typedef {{centre: Complex, radius: number, outside?: boolean}} Circle `outside`: the region beyond the circle. */

/** Largest |z| drawn stereographically: half of 0.94 pi from the origin, beyond which the drawing would explode. */
export const FARTHEST = Math.tan(0.47 * Math.PI);

/** Smallest share of alpha in an isometry of the sphere: `a` stays finite when the antipode comes to the origin. */
const LEAST = 1e-6;

/** @type {(z: Complex, w: Complex) => Complex} */
export const plus = (z, w) => [z[0] + w[0], z[1] + w[1]];
/** @type {(z: Complex, w: Complex) => Complex} */
export const minus = (z, w) => [z[0] - w[0], z[1] - w[1]];
/** @type {(z: Complex, w: Complex) => Complex} */
export const times = (z, w) => [z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]];
/** @type {(z: Complex, factor: number) => Complex} */
export const scaled = (z, factor) => [z[0] * factor, z[1] * factor];
/** @type {(z: Complex) => Complex} */
const conjugate = (z) => [z[0], -z[1]];
/** @type {(z: Complex) => number} */
export const size = (z) => Math.hypot(z[0], z[1]);
/** @type {(angle: number) => Complex} */
export const unit = (angle) => [Math.cos(angle), Math.sin(angle)];

/** @type {(z: Complex, w: Complex) => Complex} */
function over(z, w) {
  const square = w[0] * w[0] + w[1] * w[1];
  return [(z[0] * w[0] + z[1] * w[1]) / square, (z[1] * w[0] - z[0] * w[1]) / square];
}

/** tan_kappa: distance from the origin of the chart of a point at half the geodesic distance `half`. */
export function tangent(/** @type {number} */ kappa, /** @type {number} */ half) {
  if (kappa < 0) return Math.tanh(half);
  return kappa > 0 ? Math.tan(half) : half;
}

/** The inverse of `tangent`; Infinity at and beyond the rim of the Poincare disk. */
export function arctangent(/** @type {number} */ kappa, /** @type {number} */ length) {
  if (kappa < 0) return length < 1 ? Math.atanh(length) : Infinity;
  return kappa > 0 ? Math.atan(length) : length;
}

/** @type {(kappa: number) => Isometry} */
export const identity = (kappa) => ({ kappa, a: [0, 0], turn: 0 });

/** The isometry that brings `a` to the origin without a turn. @type {(kappa: number, a: Complex) => Isometry} */
export const bringing = (kappa, a) => ({ kappa, a: [a[0], a[1]], turn: 0 });

/** @type {(g: Isometry, z: Complex) => Complex} */
export function apply({ kappa, a, turn }, z) {
  const away = minus(z, a);
  const turned = turn ? times(away, unit(turn)) : away;
  if (!kappa) return turned;
  const base = 1 + kappa * (a[0] * a[0] + a[1] * a[1]);
  return over(turned, plus([base, 0], scaled(times(conjugate(a), away), kappa)));
}

/** @type {(g: Isometry) => Isometry} */
export const inverse = ({ kappa, a, turn }) => ({ kappa, a: scaled(times(unit(turn), a), -1), turn: -turn });

/** First `first`, then `then`: one isometry. @type {(then: Isometry, first: Isometry) => Isometry} */
export function compose(then, first) {
  const { kappa } = first;
  const [alpha, beta] = matrix(then);
  const [alpha1, beta1] = matrix(first);
  let top = minus(times(alpha, alpha1), scaled(times(beta, conjugate(beta1)), kappa));
  const right = plus(times(alpha, beta1), times(beta, conjugate(alpha1)));
  if (size(top) < LEAST * size(right)) top = [LEAST * size(right), 0];
  return { kappa, a: scaled(over(right, top), -1), turn: wrapped(2 * Math.atan2(top[1], top[0])) };
}

/** alpha and beta of the matrix [[alpha, beta], [-kappa conj(beta), conj(alpha)]]. @type {(g: Isometry) => [Complex, Complex]} */
function matrix({ a, turn }) {
  const alpha = unit(turn / 2);
  return [alpha, scaled(times(alpha, a), -1)];
}

/** @type {(angle: number) => number} */
const wrapped = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

/** The translation along the geodesic from one point to another. @type {(kappa: number, from: Complex, to: Complex) => Isometry} */
export function translation(kappa, from, to) {
  const there = bringing(kappa, from);
  const step = bringing(kappa, scaled(apply(there, to), -1));
  return compose(inverse(there), compose(step, there));
}

/** Twice atan_kappa of the size of the difference: geodesic distance at curvature kappa. @type {(kappa: number, z: Complex, w: Complex) => number} */
export const distance = (kappa, z, w) => 2 * arctangent(kappa, size(apply(bringing(kappa, z), w)));

/** The geodesic from `z` to `w` as `steps` + 1 points, evenly spaced along it. @type {(kappa: number, z: Complex, w: Complex, steps: number) => Complex[]} */
export function geodesic(kappa, z, w, steps) {
  const there = bringing(kappa, z);
  const back = inverse(there);
  const end = apply(there, w);
  const length = size(end);
  const half = arctangent(kappa, length);
  if (!(length > 0) || !Number.isFinite(half)) return [z, w];
  return Array.from({ length: steps + 1 }, (_, step) =>
    apply(back, scaled(end, tangent(kappa, (half * step) / steps) / length)));
}

/**
 * The image of a disk. Where the disk holds the point that goes to infinity, its image is what lies outside a circle.
 * @type {(g: Isometry, circle: Circle) => Circle}
 */
export function circle({ kappa, a, turn }, { centre, radius }) {
  const away = minus(centre, a);
  const base = 1 + kappa * (a[0] * a[0] + a[1] * a[1]);
  const below = plus([base, 0], scaled(times(conjugate(a), away), kappa));
  const square = below[0] ** 2 + below[1] ** 2 - kappa * kappa * (a[0] * a[0] + a[1] * a[1]) * radius * radius;
  const above = minus(times(away, conjugate(below)), scaled(a, kappa * radius * radius));
  const moved = scaled(times(unit(turn), above), 1 / square);
  return { centre: moved, radius: Math.abs((base * radius) / square), outside: square <= 0 };
}

/** A point in polar coordinates of the same angle: |z| becomes atan_kappa |z|. @type {(kappa: number, z: Complex) => Complex} */
export function flatten(kappa, z) {
  const length = size(z);
  return length > 0 ? scaled(z, arctangent(kappa, length) / length) : [0, 0];
}

/** The inverse of `flatten`; on the sphere, what lies beyond `FARTHEST` is brought there. @type {(kappa: number, z: Complex) => Complex} */
export function unflatten(kappa, z) {
  const length = size(z);
  const half = kappa > 0 ? Math.min(length, Math.atan(FARTHEST)) : length;
  return length > 0 ? scaled(z, tangent(kappa, half) / length) : [0, 0];
}

/** Whether a point lies in a polygon, by the parity of crossings. @param {Complex[]} polygon @param {Complex} at */
export function inside(polygon, [x, y]) {
  let odd = false;
  polygon.forEach(([x0, y0], i) => {
    const [x1, y1] = polygon[(i + 1) % polygon.length];
    if (y0 > y !== y1 > y && x < x0 + ((y - y0) / (y1 - y0)) * (x1 - x0)) odd = !odd;
  });
  return odd;
}
