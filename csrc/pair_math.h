// The triangle law: what two radii and the angle between two rays determine in a space of constant curvature.
//
// Points x and y and the root O form a geodesic triangle; theta is its angle at O, given as q = 1 - cos(theta) and
// p = 1 + cos(theta) so that neither end of [0, pi] loses digits. With the generalised sine sn and cosine cs,
//
//   opposite = sn_y sin(theta)        adjacent = cs_x sn_y cos(theta) - sn_x cs_y
//   exterior angle at x = atan2(opposite, adjacent)        hypot(opposite, adjacent) = sn(d)
//
// Both legs are lengths and, for K < 0, divided by cs_x cs_y. The adjacent leg is the difference of two points on one
// ray (`lead`), which does not cancel, plus `sway`. On the sphere y is mirrored through O to its antipode where
// theta > pi/2, for the same reason. Everything is branch-free. SIGN is the sign of K.
#pragma once

#include "radial.h"

namespace hiergeo {
namespace {

template <class T> struct Limits;
template <> struct Limits<float> {
  static constexpr float epsilon = 1.1920929e-07f;
  static constexpr float largest = 3.4028235e38f;
  static constexpr float ceiling = largest / 4294967296.0f;  // a sum over 2^32 such numbers is finite
  static constexpr float least = 3e-39f;                      // whose reciprocal is finite
  static constexpr float flat = 0.5f;  // below this s r, shares of derivatives by K are summed as series
};
template <> struct Limits<double> {
  static constexpr double epsilon = 2.220446049250313e-16;
  static constexpr double largest = 1.7976931348623157e308;
  static constexpr double ceiling = largest / 4294967296.0;
  static constexpr double least = 6e-309;
  static constexpr double flat = 0.1;
};

// Beyond a_x + a_y = kFar hyperbolic distances are formed from logarithms, so that nothing overflows.
constexpr double kFar = 40;

// From this angle s r of x on the derivative of a measured distance by K is taken from the others.
constexpr double kHomogeneous = 0.25;

template <class T> struct Opening {
  T versine;    // q = 1 - cos(theta)
  T coversine;  // p = 1 + cos(theta)
};

// First derivatives of a quantity: by theta divided by sin(theta), by r_x, by r_y and by K.
template <class T> struct Partials {
  T theta_over_sine, x, y, curvature;
};

template <class T> HIERGEO_FN T bounded(T x) {
  constexpr T ceiling = Limits<T>::ceiling;
  return x < -ceiling ? -ceiling : x > ceiling ? ceiling : x;
}

// Points whose distance is within this of pi/s, in units of 1/s, are antipodes: T cannot tell them from such.
template <class T> constexpr T kAntipode = 4 * Limits<T>::epsilon;

// `near_end`: for K < 0 whether positions are taken from the end of the ray or from the root. Either is right; for x with
// tanh(a_x) < 1/2 the root loses no digits, beyond that the end loses none (see `anchored_at_end`).
template <class T, int SIGN> struct Triangle {
  Radial<T> x, y;
  Opening<T> opening;
  bool near_end;
  T scale, curvature;  // s = sqrt(|K|) and K

  HIERGEO_FN T step() const { return step_between(x, y); }
  HIERGEO_FN T sine() const { return square_root(opening.versine * opening.coversine); }
  HIERGEO_FN bool mirrored() const { return SIGN > 0 && opening.coversine < opening.versine; }
  // cos(theta) - 1, which turns a ray away from the other; where y is mirrored, cos(theta) + 1.
  HIERGEO_FN T sway() const { return mirrored() ? opening.coversine : -opening.versine; }

  // Position seen from the root: tanh(a)/s; r; r.
  static HIERGEO_FN Split<T> root(const Radial<T>& point) {
    return SIGN < 0 ? Split<T>{point.sine, point.sine_low} : Split<T>{point.radius, point.radius_low};
  }
  static HIERGEO_FN T sum(Split<T> a, Split<T> b) { return (a.hi + b.hi) + (a.lo + b.lo); }
  static HIERGEO_FN T difference(Split<T> a, Split<T> b) { return (a.hi - b.hi) + (a.lo - b.lo); }

  // sn(r_y - r_x), the adjacent leg of two points on one ray; where y is mirrored, -sn(r_x + r_y).
  HIERGEO_FN T lead() const {
    if (SIGN < 0) {
      Split<T> to = near_end ? y.end : root(y), from = near_end ? x.end : root(x);
      const T turn = scale * step();
      if (sizeof(T) == sizeof(float) || magnitude(turn) >= T(0x1p-10)) return difference(to, from);
      // Positions in double may have no low parts: those of close points follow from their radii.
      return step() * horner(turn * turn, T(1), T(1) / 6, T(1) / 120) * (x.shrink * y.shrink);
    }
    T ahead = step();
    if (SIGN == 0) return ahead;
    constexpr T quarter = T(kPi / 2);
    T beyond = difference(root(x), y.end), behind = -difference(root(y), x.end), turn = scale * ahead;
    ahead = turn > quarter ? beyond : turn < -quarter ? behind : ahead;
    return sine_of(mirrored() ? -arc_around() : ahead);
  }

  // sn(r_x + r_y), for K < 0 divided by cs_x cs_y.
  HIERGEO_FN T around() const { return SIGN > 0 ? sine_of(arc_around()) : x.sine + y.sine; }

  HIERGEO_FN T opposite() const { return y.sine * x.shrink * sine(); }
  HIERGEO_FN T adjacent() const { return lead() + y.sine * x.cosine * sway(); }
  HIERGEO_FN T chord() const { return hypotenuse(adjacent(), opposite()); }

  // Whether x and y, whose legs are given, are antipodes within `tolerance`.
  HIERGEO_FN bool antipodal(T across, T along, T tolerance) const {
    if (SIGN <= 0) return false;
    T off = mirrored() ? scale * magnitude(x.radius + y.end.hi) : T(1);
    return (off < 1 ? scale * hypotenuse(along, across) : T(1)) <= tolerance;
  }

  // The exterior angle at x in [0, pi]; x at the root: 0; x = y: 0; y at the root and x not: pi; antipode of x: 0.
  HIERGEO_FN T exterior_angle(T antipode = kAntipode<T>) const {
    T across = opposite(), along = adjacent();
    along = opening.versine == 0 ? step() : along;
    T angle = arc(across, along);
    if (SIGN > 0) angle = antipodal(across, along, antipode) ? 0 * angle : angle;
    return x.radius == 0 ? 0 * angle : angle;
  }

  // cs(d), for K < 0 divided by cs_x cs_y.
  HIERGEO_FN T distance_cosine() const {
    if (SIGN == 0) return T(1);
    T product = (scale * x.sine) * (scale * y.sine);
    if (SIGN > 0) return x.cosine * y.cosine + product * (opening.coversine - opening.versine) / 2;
    T gap_x = gap(x), gap_y = gap(y);
    return gap_x + gap_y - gap_x * gap_y + product * opening.versine;
  }

  // The geodesic distance >= 0. K < 0: with H = s chord, c = distance_cosine and g = shrink, exp(s d) = (c + H)/(g_x g_y)
  // and cosh(s d) - 1 = H^2/((c + g_x g_y) g_x g_y). Where s d is below rounding, d is its sine.
  HIERGEO_FN T distance() const {
    T across = chord();
    if (SIGN == 0) return across;
    T c = distance_cosine(), turn = scale * across;
    if (SIGN > 0) {
      T d = arc(turn, c) / scale;
      return (c > 0 ? turn : T(1)) < Limits<T>::epsilon ? across : d;
    }
    bool far = scale * (x.radius + y.radius) > T(kFar);
    T shrinks = far ? T(1) : x.shrink * y.shrink;
    T straight = across / shrinks * (1 + turn / (c + shrinks)), growth = scale * straight;
    T whole = far ? c + turn : 1 + growth;
    T rest = far ? T(0) : (growth - (whole - 1)) / whole;
    whole = larger(whole, T(1e-37));
    T d = (logarithm(whole, rest) + (far ? x.log_cosh + y.log_cosh : T(0)) + 0 * across) / scale;
    d = (far ? T(1) : growth) < Limits<T>::epsilon ? straight : d;
    return opening.versine == 0 ? magnitude(step()) : d;
  }

  // Partial derivatives of the exterior angle: by theta (sn_y/sn_d) cos(gamma), by r_x sin(Xi) cs_d/sn_d, by r_y
  // -sin(gamma)/sn_d, with gamma the angle at y. 0 where it has a kink: at the root, on one line, at coincident points, at
  // antipodes; and where a point is not a number.
  HIERGEO_FN Partials<T> exterior_angle_partials() const {
    T across = opposite(), along = adjacent(), h = hypotenuse(along, across), sine_theta = sine();
    T least = smaller(smaller(smaller(x.radius, y.radius), sine_theta), h);  // NaN where h is
    least = antipodal(across, along, kAntipode<T>) ? T(0) : least;
    const bool smooth = least > 0;
    h = smooth ? h : T(1);
    T inverse = 1 / larger(h, Limits<T>::least);  // one division, as they are what a row of pairs takes longest for
    T sin_x = across * inverse, shrink = x.shrink * y.shrink * inverse;
    T to_x = x.sine * y.shrink * inverse, to_y = y.sine * x.shrink * inverse;
    T bow = x.bow * (y.sine * inverse) - y.bow * (x.sine * inverse);
    Partials<T> d;
    d.theta_over_sine = to_y * (leg_at_y() * inverse) / (smooth ? sine_theta : T(1));
    d.x = sin_x * (distance_cosine() * inverse);
    d.y = -to_x * sine_theta * shrink;
    d.curvature = (sine_theta * shrink * bow - sin_x * x.radius * half_distance_tangent(h)) / 2;
    return zero_unless(smooth, d);
  }

  // Partial derivatives of the distance: by theta sn_x sn_y sin(theta)/sn_d, by r_x -cos(Xi), by r_y cos(gamma). 0 at x = y,
  // by theta on one line, where tangents are 0 but for rounding, and where a point is not a number.
  HIERGEO_FN Partials<T> distance_partials() const {
    T h = chord();
    const bool apart = larger(h, magnitude(step())) > 0, bent = smaller(h, sine()) > 0;
    h = h > 0 ? h : T(1);
    T inverse = 1 / larger(h, Limits<T>::least);
    T cos_x = cosine(adjacent(), inverse), cos_y = cosine(leg_at_y(), inverse);
    Partials<T> d;
    d.theta_over_sine = bent ? x.sine * (y.sine * inverse) : T(0);
    d.x = x.radius > 0 ? -cos_x : T(0);
    d.y = y.radius > 0 ? cos_y : T(0);
    d.curvature = distance_by_curvature(h, inverse);
    return zero_unless(apart, d);
  }

  // The derivative of the distance by K as homogeneity gives it from the others, which costs little. Its error is about that of
  // rounding d, over K: for points well away from the root.
  HIERGEO_FN T distance_by_curvature(const Partials<T>& d, T distance) const {
    return distance >= 0 ? bounded((x.radius * d.x + y.radius * d.y - distance) * (T(0.5) / curvature)) : T(0);
  }

 private:
  static HIERGEO_FN Partials<T> zero_unless(bool smooth, Partials<T> d) {
    return {smooth ? bounded(d.theta_over_sine) : T(0), smooth ? bounded(d.x) : T(0), smooth ? bounded(d.y) : T(0),
            smooth ? bounded(d.curvature) : T(0)};
  }

  // K > 0: sn of a length within a quarter turn, and r_x + r_y brought there by multiples of a half turn.
  HIERGEO_FN T sine_of(T length) const {
    T turn = scale * length;
    return length * sine_series(turn * turn);
  }
  HIERGEO_FN T arc_around() const {
    constexpr T quarter = T(kPi / 2);
    T turn = scale * (x.radius + y.radius);
    T first = sum(root(x), root(y)), middle = -sum(root(x), y.end), last = sum(x.end, y.end);
    return turn < quarter ? first : turn > 3 * quarter ? last : middle;
  }

  // K < 0: 1 - tanh(s r).
  HIERGEO_FN T gap(Radial<T> point) const { return -scale * point.end.hi; }

  // Cosine of the exterior angle at x or of the angle at y, by their legs; exact on one ray, even where sn(d) underflows.
  HIERGEO_FN T cosine(T leg, T inverse) const { return opening.versine == 0 ? sign_of(step()) : leg * inverse; }
  HIERGEO_FN T leg_at_y() const { return (mirrored() ? -lead() : lead()) - x.sine * y.cosine * sway(); }

  // sn(d/2)/cs(d/2), a length.
  HIERGEO_FN T half_distance_tangent(T h) const {
    T whole = x.shrink * y.shrink + distance_cosine();
    return whole > 0 ? h / whole : T(0);
  }

  // d(distance)/dK = -(1 - cos theta) (sn_x sn_y/sn_d) (h(r_x) - h(r_x - e) + h(r_y) - h(r_y - e)) with all terms >= 0, where
  // h(r) = (1 - r cs(r)/sn(r))/(2 K) and e = (r_x + r_y - d)/2. It is (r_y d_y + r_x d_x - d)/(2 K), which homogeneity
  // gives, without its cancellations: for u sn(u) as a function of sn(u/2)^2 the law of cosines makes it a second divided
  // difference, and the addition theorems of sn split that.
  HIERGEO_FN T distance_by_curvature(T h, T inverse) const {
    Slack e = slack(h);
    T rise = y.sine * inverse * rise_of(x, e) + x.sine * inverse * rise_of(y, e);
    return opening.versine == 0 ? T(0) : -opening.versine * rise;
  }

  // e >= 0; tanh(s e) and 1 - tanh(s e), for K < 0. From sn(e)/cs(e) = sn_x sn_y (1 + cos theta)/(sn(r_x + r_y) + sn_d).
  struct Slack {
    T length, tangent, left;
  };
  HIERGEO_FN Slack slack(T h) const {
    T total = around(), product = x.sine * (y.sine * opening.coversine);
    if (SIGN > 0) {
      T length = arc(scale * product, magnitude(total) + h) / scale;
      return {total > 0 ? length : sum(root(x), y.end) + length, T(0), T(0)};
    }
    T tangent = product / (total + h);
    if (SIGN == 0) return {tangent, T(0), T(0)};
    tangent = scale * tangent;
    T decay = (distance_cosine() + scale * h) / ((1 + scale * x.sine) * (1 + scale * y.sine));  // exp(-2 s e)
    decay = larger(decay, T(1e-37));
    T quotient = 1 / (decay * (1 + decay)), sum = 1 + decay;  // one division for two
    T growth = tangent * sum * sum * quotient, whole = 1 + growth, rest = (growth - (whole - 1)) * decay;
    return {logarithm(whole, rest) * (T(0.5) / scale), tangent, 2 * decay * decay * quotient};
  }

  // sn(r) (h(r) - h(r - e)), for K < 0 divided by cs(r).
  HIERGEO_FN T rise_of(Radial<T> point, Slack e) const {
    constexpr T half_turn = T(kPi);
    T rest = larger(point.radius - e.length, T(0));
    if (SIGN == 0) return point.sine * e.length * (point.radius + rest) / 6;
    T u = curvature * point.radius * point.radius, v = curvature * rest * rest;
    // zeta(2 n)/pi^(2 n): K h(r) is this series in K r^2, and its divided difference between u and v follows along.
    constexpr T terms[] = {T(691) / 638512875, T(1) / 93555, T(1) / 9450, T(1) / 945, T(1) / 90, T(1) / 6};
    T value = terms[0], slope = 0, value_v = terms[0];
    for (int n = 1; n < 6; ++n) {
      slope = slope * v + value;
      value = value * u + terms[n];
      value_v = value_v * v + terms[n];
    }
    slope = slope * v + value;
    T near = point.sine * e.length * (point.radius + rest) * slope;
    T b = scale * rest, length = scale * e.length, far;
    if (SIGN < 0) {
      T narrow = e.tangent < T(0.5) ? scale * point.sine - e.tangent : e.left - gap(point);
      T left = gap(point) + e.left - gap(point) * e.left;  // tanh(b) = narrow/left
      const bool flat = b < Limits<T>::flat;
      T above = flat ? 1 - 2 * v * value_v : b, below = flat ? left : narrow > 0 ? narrow : T(1);
      far = length - above * point.shrink * point.shrink * e.tangent / below;
    } else {
      T sine_b = sine_half_turn(smaller(b, half_turn - b)), sine_e = sine_half_turn(smaller(length, half_turn - length));
      far = (sine_b > 0 ? b / sine_b : T(1)) * sine_e - length * point.cosine;
    }
    const T unit = 1 / scale;
    return scale * point.radius < Limits<T>::flat ? near : far * unit * unit * unit / 2;
  }
};

}  // namespace
}  // namespace hiergeo
