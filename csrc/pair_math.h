// The triangle law: what two radii and the angle between two rays determine in a space of constant curvature.
//
// Points x and y and the root O form a geodesic triangle; theta is its angle at O, given as q = 1 - cos(theta) and
// p = 1 + cos(theta) so that neither end of [0, pi] loses digits. With the generalised sine sn and cosine cs,
//
//   opposite = sn_y sin(theta)        adjacent = cs_x sn_y cos(theta) - sn_x cs_y
//   exterior angle at x = atan2(opposite, adjacent)        hypot(opposite, adjacent) = sn(d)
//
// Both legs are in units of 1/s and, for K < 0, divided by cs_x cs_y. The adjacent leg is the difference of two points
// on one ray (`lead`), which does not cancel, plus `sway`. On the sphere y is mirrored through O to its antipode
// where theta > pi/2, for the same reason. Everything is branch-free. SIGN is the sign of K.
#pragma once

#include "radial.h"

namespace hiergeo {
namespace {

template <class T> struct Limits;
template <> struct Limits<float> {
  static constexpr float epsilon = 1.1920929e-07f;
  static constexpr float ceiling = 3.4028235e38f / 4294967296.0f;  // a sum over 2^32 such numbers is finite
  static constexpr float flat = 0.5f;  // below this s r, derivatives by K are summed as a series
};
template <> struct Limits<double> {
  static constexpr double epsilon = 2.220446049250313e-16;
  static constexpr double ceiling = 1.7976931348623157e308 / 4294967296.0;
  static constexpr double flat = 0.1;
};

// Beyond a_x + a_y = kFar hyperbolic distances are formed from logarithms, so that nothing overflows.
constexpr double kFar = 40;

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

// `near_end`: for K < 0 whether positions are taken from the end of the ray or from the root. Either is right; for x with
// tanh(a_x) < 1/2 the root loses no digits, beyond that the end loses none (see `anchored_at_end`).
template <class T, int SIGN> struct Triangle {
  Radial<T> x, y;
  Opening<T> opening;
  bool near_end;
  T scale, curvature;  // s = sqrt(|K|) and K

  HIERGEO_FN T step() const { return y.radius - x.radius; }
  HIERGEO_FN T sine() const { return square_root(opening.versine * opening.coversine); }
  HIERGEO_FN bool mirrored() const { return SIGN > 0 && opening.coversine < opening.versine; }
  HIERGEO_FN T sway() const { return mirrored() ? opening.coversine : -opening.versine; }

  static HIERGEO_FN T sum(Split<T> a, Split<T> b) { return (a.hi + b.hi) + (a.lo + b.lo); }
  static HIERGEO_FN T difference(Split<T> a, Split<T> b) { return (a.hi - b.hi) + (a.lo - b.lo); }

  // sn of r_y - r_x on one ray; where y is mirrored, of r_x + r_y, negated.
  HIERGEO_FN T lead() const {
    if (SIGN < 0) {
      Split<T> to = near_end ? y.end : y.root, from = near_end ? x.end : x.root;
      return difference(to, from);
    }
    T ahead = difference(y.root, x.root);
    if (SIGN == 0) return ahead;
    constexpr T quarter = T(kPi / 2);
    T beyond = difference(x.root, y.end), behind = -difference(y.root, x.end);
    ahead = ahead > quarter ? beyond : ahead < -quarter ? behind : ahead;
    T around = x.root.hi + y.root.hi;
    T first = -sum(x.root, y.root), middle = sum(x.root, y.end), last = -sum(x.end, y.end);
    around = around < quarter ? first : around > 3 * quarter ? last : middle;
    return sine_half_turn(mirrored() ? around : ahead);
  }

  HIERGEO_FN T opposite() const { return y.sine * x.shrink * sine(); }
  HIERGEO_FN T adjacent() const { return lead() + y.sine * x.cosine * sway(); }
  HIERGEO_FN T chord() const { return hypotenuse(adjacent(), opposite()); }

  // The exterior angle at x in [0, pi]; x at the root: 0; x = y: 0; y at the root and x not: pi; antipode of x: 0.
  HIERGEO_FN T exterior_angle() const {
    T across = opposite(), along = adjacent();
    along = opening.versine == 0 ? step() : along;
    T angle = arc(across, along);
    if (SIGN > 0) {
      bool far_apart = mirrored() && magnitude(x.root.hi + y.root.hi - T(kPi)) < 1;
      angle = far_apart && hypotenuse(along, across) <= 4 * Limits<T>::epsilon ? 0 * angle : angle;
    }
    return x.radius == 0 ? 0 * angle : angle;
  }

  // cs(d), for K < 0 divided by cs_x cs_y.
  HIERGEO_FN T distance_cosine() const {
    if (SIGN < 0) {
      T gap_x = -x.end.hi, gap_y = -y.end.hi;
      return gap_x + gap_y - gap_x * gap_y + x.sine * y.sine * opening.versine;
    }
    if (SIGN == 0) return T(1);
    return x.cosine * y.cosine + x.sine * y.sine * (opening.coversine - opening.versine) / 2;
  }

  // The geodesic distance >= 0. K < 0: with H = chord, c = distance_cosine and g = shrink, exp(s d) = (c + H)/(g_x g_y)
  // and cosh(s d) - 1 = H^2/((c + g_x g_y) g_x g_y).
  HIERGEO_FN T distance() const {
    T across = chord();
    if (SIGN == 0) return across;
    T c = distance_cosine();
    if (SIGN > 0) return arc(across, c) / scale;
    bool far = scale * (x.radius + y.radius) > T(kFar);
    T shrinks = far ? T(1) : x.shrink * y.shrink;
    T growth = across / shrinks * (1 + across / (c + shrinks));
    T whole = far ? c + across : 1 + growth;
    T rest = far ? T(0) : (growth - (whole - 1)) / whole;
    whole = larger(whole, T(1e-37));
    T d = (logarithm(whole, rest) + (far ? x.log_cosh + y.log_cosh : T(0)) + 0 * across) / scale;
    return opening.versine == 0 ? magnitude(step()) : d;
  }

  // Partial derivatives of the exterior angle: by theta (sn_y/sn_d) cos(gamma), by r_x sin(Xi) cs_d/sn_d, by r_y
  // -sin(gamma)/sn_d, with gamma the angle at y; 0 where it has a kink: at the root, on one line, at coincident points.
  HIERGEO_FN Partials<T> exterior_angle_partials() const {
    T across = opposite(), h = chord(), sine_theta = sine();
    T least = smaller(smaller(h, sine_theta), smaller(x.radius, y.radius));  // one comparison, so that NaN goes through
    h = least <= 0 ? T(1) : h;
    T sin_x = across / h;
    T to_x = x.sine * y.shrink / h, to_y = y.sine * x.shrink / h;
    Partials<T> d;
    d.theta_over_sine = to_y * cosine_at_y(h) / (least <= 0 ? T(1) : sine_theta);
    d.x = unit() * sin_x * distance_cosine() / h;
    d.y = -unit() * to_x * sine_theta * (x.shrink * y.shrink / h);
    d.curvature = sin_x * (to_x * (x.excess - y.excess) - x.radius * half_distance_tangent(h)) / 2;
    return zero_where(least <= 0, d);
  }

  // Partial derivatives of the distance: by theta sn_x sn_y sin(theta)/sn_d, by r_x -cos(Xi), by r_y cos(gamma); 0 at x = y.
  HIERGEO_FN Partials<T> distance_partials() const {
    T h = chord();
    bool together = larger(h, magnitude(step())) <= 0;
    h = h == 0 ? T(1) : h;
    T cos_x = cosine_at_x(h), cos_y = cosine_at_y(h);
    Partials<T> d;
    d.theta_over_sine = chord() == 0 ? T(0) : x.sine * y.sine / h / unit();
    d.x = x.radius > 0 ? -cos_x : T(0);
    d.y = y.radius > 0 ? cos_y : T(0);
    d.curvature = distance_by_curvature(h, cos_x, cos_y);
    return zero_where(together, d);
  }

 private:
  static HIERGEO_FN Partials<T> zero_where(bool kink, Partials<T> d) {
    return {kink ? T(0) : bounded(d.theta_over_sine), kink ? T(0) : bounded(d.x), kink ? T(0) : bounded(d.y),
            kink ? T(0) : bounded(d.curvature)};
  }

  // Cosines of the exterior angle at x and of the angle at y; exact on one ray, even where sn(d) underflows.
  HIERGEO_FN T cosine_at_x(T h) const { return opening.versine == 0 ? sign_of(step()) : adjacent() / h; }
  HIERGEO_FN T cosine_at_y(T h) const {
    T leg = (mirrored() ? -lead() : lead()) - x.sine * y.cosine * sway();
    return opening.versine == 0 ? sign_of(step()) : leg / h;
  }

  // sn(d/2)/cs(d/2), a length.
  HIERGEO_FN T half_distance_tangent(T h) const {
    T whole = x.shrink * y.shrink + distance_cosine();
    return whole > 0 ? h / whole / unit() : T(0);
  }

  // 2 (cs(r) - 1)/K up to sign, by which half the squared chord of a radius grows with K.
  HIERGEO_FN T halved(Radial<T> point) const {
    T half = point.sine / point.shrink / 2 / unit();
    return half * half * 2 / (1 + point.cosine / point.shrink);
  }
  HIERGEO_FN T bend(Radial<T> point) const { return point.excess * (point.sine / point.shrink) / unit(); }

  HIERGEO_FN T distance_by_curvature(T h, T cos_x, T cos_y) const {
    T d = distance();
    // (2 tan(z/2) - z) / (2 z^3) in powers of z^2
    T third = d * d * d * horner(curvature * d * d, T(1) / 24, T(1) / 240, T(17) / 40320, T(31) / 725760,
                                 T(691) / 159667200, T(5461) / 12454041600);
    T series = third - (halved(x) + halved(y)) * half_distance_tangent(h) + (bend(y) * cos_y - bend(x) * cos_x) / 2;
    if (SIGN == 0) return series;
    T closed = (y.radius * cos_y - x.radius * cos_x - d) / (2 * curvature);
    return larger(x.radius, y.radius) * scale < Limits<T>::flat ? series : closed;
  }

  HIERGEO_FN T unit() const { return SIGN == 0 ? T(1) : scale; }  // 1/unit() is the unit of the legs
};

}  // namespace
}  // namespace hiergeo
