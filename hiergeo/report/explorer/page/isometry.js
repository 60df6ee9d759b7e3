// @ts-check
/**
 * Isometries of the Poincare disk, as maps of one complex chart.
 *
 * A point at geodesic distance d from the origin lies at |z| = tanh(d / 2). Every isometry that keeps the orientation is
 *
 *     z -> exp(i turn) (z - a) / (1 - conj(a) z),
 *
 * with `a` the point that comes to lie at the origin, and so is written {a, turn}. Mobius maps take circles to circles, so
 * that circles are transformed exactly. Everything is computed in float64.
 */

/** @typedef {[number, number]} Complex */
/** @typedef {{a: Complex, turn: number}} Isometry */
/** @typedef {{centre: Complex, radius: number}} Circle  of infinite radius: all of the plane */

/** @type {(z: Complex, w: Complex) => Complex} */
const plus = (z, w) => [z[0] + w[0], z[1] + w[1]];
/** @type {(z: Complex, w: Complex) => Complex} */
const minus = (z, w) => [z[0] - w[0], z[1] - w[1]];
/** @type {(z: Complex, w: Complex) => Complex} */
const times = (z, w) => [z[0] * w[0] - z[1] * w[1], z[0] * w[1] + z[1] * w[0]];
/** @type {(z: Complex, factor: number) => Complex} */
export const scaled = (z, factor) => [z[0] * factor, z[1] * factor];
/** @type {(z: Complex) => Complex} */
const conjugate = (z) => [z[0], -z[1]];
/** @type {(z: Complex) => number} */
export const size = (z) => Math.hypot(z[0], z[1]);
/** @type {(z: Complex) => number} */
const square = (z) => z[0] * z[0] + z[1] * z[1];
/** @type {(angle: number) => Complex} */
const unit = (angle) => [Math.cos(angle), Math.sin(angle)];
/** @type {(z: Complex, w: Complex) => Complex} */
const over = (z, w) => scaled(times(z, conjugate(w)), 1 / square(w));

/** The isometry that brings `a` to the origin without a turn. @type {(a: Complex) => Isometry} */
export const bringing = (a) => ({ a: [a[0], a[1]], turn: 0 });

/** 1 - conj(a) z, from what lies between z and a. @type {(a: Complex, away: Complex) => Complex} */
const below = (a, away) => minus([1 - square(a), 0], times(conjugate(a), away));

/** @type {(g: Isometry, z: Complex) => Complex} */
export function apply({ a, turn }, z) {
  const away = minus(z, a);
  return over(turn ? times(away, unit(turn)) : away, below(a, away));
}

/** @type {(g: Isometry) => Isometry} */
export const inverse = ({ a, turn }) => ({ a: scaled(times(unit(turn), a), -1), turn: -turn });

/** First `first`, then `then`: one isometry. @type {(then: Isometry, first: Isometry) => Isometry} */
export function compose(then, first) {
  const [[alpha, beta], [alpha1, beta1]] = [matrix(then), matrix(first)];
  const top = plus(times(alpha, alpha1), times(beta, conjugate(beta1)));
  const right = plus(times(alpha, beta1), times(beta, conjugate(alpha1)));
  return { a: scaled(over(right, top), -1), turn: wrapped(2 * Math.atan2(top[1], top[0])) };
}

/** alpha and beta of the matrix [[alpha, beta], [conj(beta), conj(alpha)]]. @type {(g: Isometry) => [Complex, Complex]} */
function matrix({ a, turn }) {
  const alpha = unit(turn / 2);
  return [alpha, scaled(times(alpha, a), -1)];
}

/** @type {(angle: number) => number} */
const wrapped = (angle) => angle - 2 * Math.PI * Math.round(angle / (2 * Math.PI));

/** The translation along the geodesic from one point to another. @type {(from: Complex, to: Complex) => Isometry} */
export function translation(from, to) {
  const there = bringing(from);
  return compose(inverse(there), compose(bringing(scaled(apply(there, to), -1)), there));
}

/** The geodesic from `z` to `w` as `steps` + 1 points, evenly spaced along it. @type {(z: Complex, w: Complex, steps: number) => Complex[]} */
export function geodesic(z, w, steps) {
  const there = bringing(z);
  const end = apply(there, w);
  const length = size(end);
  if (!(length > 0 && length < 1)) return [z, w];
  const [back, half] = [inverse(there), Math.atanh(length)];
  return Array.from({ length: steps + 1 }, (_, step) => apply(back, scaled(end, Math.tanh((half * step) / steps) / length)));
}

/** The image of a disk: all of the plane where the disk holds the point that goes to infinity. @type {(g: Isometry, circle: Circle) => Circle} */
export function circle({ a, turn }, { centre, radius }) {
  const away = minus(centre, a);
  const under = below(a, away);
  const whole = square(under) - square(a) * radius * radius;
  if (!(whole > 0)) return { centre: [0, 0], radius: Infinity };
  const above = plus(times(away, conjugate(under)), scaled(a, radius * radius));
  return { centre: scaled(times(unit(turn), above), 1 / whole), radius: ((1 - square(a)) * radius) / whole };
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
