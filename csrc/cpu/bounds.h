// Which pairs can score at most a bound, and which certainly score less, given cosines with a known error.
//
// Angles, by the tangent law: Xi <= tau exactly where adjacent sin(tau) - opposite cos(tau) = sn(d) sin(tau - Xi) >= 0. With
// cos(theta) known to +- e the adjacent leg is extreme at an end, being linear in it, and the opposite leg is smallest at the
// larger |cos| and largest at the smaller one.
//
// Distances grow as the cosine falls. They are compared without a logarithm, by sn(d/2)^2 = sn((r_x - r_y)/2)^2 +
// sn_x sn_y (1 - cos theta)/2, in units of cs_x cs_y for K < 0; those of factors, which are to be combined, by themselves.
#pragma once

#include "screen.h"

namespace hiergeo {
namespace {

constexpr int64_t kScreenColumns = 128;  // compared at once

// What a screen sees of a row, at most kScreenColumns columns of it: the products are cosines by then. `bound` is that of the row, in terms of this factor.
template <class T> struct ScreenedRow {
  Radial<T> point;
  const Statistics<T>& columns;
  int64_t column, n;
  const T *cosine, *error;
  T bound, scale, curvature;
  T limit = 0;  // of distances: `limit_of` the bound
};

// Calls `body` with whether positions are taken from the end of the ray as a constant: loops that choose do not become vectors.
template <class T, class Body> inline void by_anchor(const ScreenedRow<T>& row, Body body) {
  if (anchored_at_end(row.point, row.scale))
    body(std::true_type());
  else
    body(std::false_type());
}

// found[j] >= 0 where column j may score at most the bound; where CERTAIN, found[j] > 0 where it surely scores less; NaN where
// the score is.
template <class T> using Comparison = void (*)(const ScreenedRow<T>& row, T* found);

// The apex is x, or y where SWAP; OFFSET: where the columns' numbers are subtracted from the angle.
template <class T, int SIGN, bool SWAP, bool OFFSET, bool CERTAIN>
inline void compare_angles(const ScreenedRow<T>& row, T* found) {
  constexpr T half_turn = T(kPi), quarter = T(kPi / 2), rounding = 16 * Limits<T>::epsilon;
  const ScreenedRow<T> r = row;
  const bool near_end = anchored_at_end(r.point, r.scale);
  const T* number = r.columns.number() + r.column;
  auto within = [=](T tau) { return smaller(larger(tau, T(0)), half_turn); };
  auto sine_of = [=](T tau) { return sine_half_turn(smaller(within(tau), half_turn - within(tau))); };
  auto cosine_of = [=](T tau) { return sine_half_turn(quarter - within(tau)); };
  const T bound_sine = sine_of(r.bound), bound_cosine = cosine_of(r.bound);
  HIERGEO_INDEPENDENT
  for (int64_t j = 0; j < r.n; ++j) {
    const Radial<T> other = r.columns.at(r.column + j);
    const Radial<T> apex = SWAP ? other : r.point, base = SWAP ? r.point : other;
    const T error = r.error[j];
    T tau = r.bound + (OFFSET ? number[j] : T(0));
    T tau_sine = OFFSET ? sine_of(tau) : bound_sine, tau_cosine = OFFSET ? cosine_of(tau) : bound_cosine;

    T high = smaller(r.cosine[j] + error, T(1)), low = larger(r.cosine[j] - error, T(-1));
    T size = magnitude(r.cosine[j]), larger_size = smaller(size + error, T(1)), smaller_size = larger(size - error, T(0));
    T inner = (tau_cosine >= 0) != CERTAIN ? larger_size : smaller_size, end = CERTAIN ? low : high;
    Triangle<T, SIGN> at_end = {apex, base, {1 - end, 1 + end}, near_end, r.scale, r.curvature};
    Triangle<T, SIGN> at_inner = {apex, base, {1 - inner, 1 + inner}, near_end, r.scale, r.curvature};
    T along = at_end.adjacent(), across = at_inner.opposite();
    T apart = T(1);  // a lower bound of the distance to the antipode of the apex, in units of 1/s
    if (SIGN > 0) {
      T other_end = CERTAIN ? high : low;
      Triangle<T, SIGN> beyond = {apex, base, {1 - other_end, 1 + other_end}, near_end, r.scale, r.curvature};
      along = CERTAIN ? smaller(along, beyond.adjacent()) : larger(along, beyond.adjacent());
      apart = larger(r.scale * magnitude(apex.radius + base.end.hi),
                     square_root((r.scale * apex.sine) * (r.scale * base.sine) * (1 + low)));
    }
    T slack = rounding * (magnitude(along) + 2 * base.sine + across);
    T value = along * tau_sine - across * tau_cosine + (CERTAIN ? -slack : slack);
    value = apex.radius == 0 || (!CERTAIN && apart <= 2 * kAntipode<T>) ? T(1) : value;  // the angle may be 0
    value = tau < (CERTAIN ? rounding : -rounding) ? T(-1) : value;
    value = tau >= half_turn + (CERTAIN ? rounding : -rounding) ? T(1) : value;
    found[j] = value + 0 * r.cosine[j] + 0 * r.point.radius + 0 * other.radius;  // NaN in any is NaN
  }
}

// Beyond these the squares and hyperbolic sines below leave the range of float: distances are formed instead.
constexpr double kFarthest = 1e18, kMostCurved = 40;

// Squares below this lose digits.
template <class T> constexpr T kLeastLimit = sizeof(T) == sizeof(float) ? T(1e-36) : T(1e-290);

// By how much positions on a ray may be off, as a share of them: that of T with its low part, or of what they were computed in.
template <class T> constexpr T kPositionError = sizeof(T) == sizeof(float) ? T(0x1p-44) : T(32 * __LDBL_EPSILON__);

// What compares distances with a bound: cosh(s d) - 1 of the bound and its like, in place of distances themselves.
template <class T> inline T limit_of(T bound, double curvature) {
  if (curvature == 0) return bound * bound;
  const double half = sqrt(fabs(curvature)) * double(bound) / 2;
  const T sine = curvature < 0 ? T(sinh(half)) : T(sin(smaller(half, kPi / 2)));
  return 2 * sine * sine;
}

// For bounds within `comparable`. Squared differences of positions p that are off by e are so by 2 |p_y - p_x| e: no more than a
// unit of rounding of the square and e^2 over that unit, where only positions near each other count.
template <class T, int SIGN, bool CERTAIN> inline void compare_distances(const ScreenedRow<T>& row, T* found) {
  constexpr T rounding = 16 * Limits<T>::epsilon;
  const ScreenedRow<T> r = row;
  const T length = SIGN >= 0 ? r.point.radius : anchored_at_end(r.point, r.scale) ? -r.point.end.hi : r.point.sine;
  const T off = 4 * kPositionError<T> * (SIGN == 0 ? length : r.scale * length);
  const T least = kLeastLimit<T> + off * off / Limits<T>::epsilon;
  const double half = double(r.scale) * double(r.bound) / 2;
  const bool beyond = r.bound < 0, all = SIGN > 0 && half >= kPi / 2 * (1 + (CERTAIN ? 1e-5 : 0.0));
  by_anchor(row, [&](auto near_end) {
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < r.n; ++j) {
      const Radial<T> other = r.columns.at(r.column + j);
      const T error = r.error[j] + 2 * Limits<T>::epsilon;
      T versine = 1 - r.cosine[j] + (CERTAIN ? error : -error);
      versine = smaller(larger(versine, T(0)), T(2));
      T apart, allowed;  // to be compared
      if (SIGN == 0) {
        T step = step_between(r.point, other);
        apart = step * step + 2 * r.point.radius * other.radius * versine;
        allowed = r.limit;
      } else if (SIGN > 0) {
        T step = step_between(r.point, other);
        T half_step = sine_half_turn(r.scale * step / 2);
        apart = 2 * half_step * half_step + (r.scale * r.point.sine) * (r.scale * other.sine) * versine;
        allowed = r.limit;
      } else {
        Triangle<T, SIGN> on_ray = {r.point, other, {T(0), T(2)}, near_end.value, r.scale, r.curvature};
        T lead = r.scale * on_ray.lead(), both = r.point.shrink * other.shrink;
        T gap_x = -r.scale * r.point.end.hi, gap_y = -r.scale * other.end.hi;
        T whole = gap_x + gap_y - gap_x * gap_y + both;  // cosh(a_x - a_y) + 1 in units of cosh(a_x) cosh(a_y)
        apart = lead * lead + (r.scale * r.point.sine) * (r.scale * other.sine) * versine * whole;
        allowed = r.limit * both * whole;
      }
      T slack = rounding * (apart + allowed) + least;
      T value = allowed - apart + (CERTAIN ? -slack : slack);
      value = all ? T(1) : beyond ? T(-1) : value;
      found[j] = value + 0 * r.cosine[j] + 0 * r.point.radius + 0 * other.radius;  // NaN in any is NaN
    }
  });
}

// Whether `compare_distances` may be asked for this bound.
template <class T> inline bool comparable(const Radial<T>& point, T bound, double curvature) {
  if (curvature == 0) return double(bound) < kFarthest && double(point.radius) < kFarthest;
  return curvature > 0 || sqrt(-curvature) * double(bound) < kMostCurved;
}

// The least distances that the cosines allow; where HIGH, the largest.
template <class T> using Extreme = void (*)(const ScreenedRow<T>& row, T* distances);

template <class T, int SIGN, bool HIGH> inline void extreme_distances(const ScreenedRow<T>& row, T* distances) {
  constexpr T share = 128 * Limits<T>::epsilon, of_radii = 4 * Limits<T>::epsilon;
  const ScreenedRow<T> r = row;
  alignas(64) T versine[kScreenColumns], coversine[kScreenColumns];  // in memory for the same reason
  HIERGEO_INDEPENDENT
  for (int64_t j = 0; j < r.n; ++j) {
    const T error = r.error[j] + 2 * Limits<T>::epsilon;
    T end = HIGH ? larger(r.cosine[j] - error, T(-1)) : smaller(r.cosine[j] + error, T(1));
    versine[j] = 1 - end;
    coversine[j] = 1 + end;
  }
  by_anchor(row, [&](auto near_end) {
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < r.n; ++j) {
      const Triangle<T, SIGN> triangle = {r.point, r.columns.at(r.column + j), {versine[j], coversine[j]}, near_end.value,
                                          r.scale, r.curvature};
      T distance = triangle.distance(), slack = share * distance + of_radii * (r.point.radius + triangle.y.radius);
      distance = HIGH ? distance + slack : larger(distance - slack, T(0));
      distances[j] = distance + 0 * r.cosine[j];
    }
  });
}

template <class T, int SIGN, bool CERTAIN> inline Comparison<T> angles_by(bool swap, bool offset) {
  if (swap) return offset ? compare_angles<T, SIGN, true, true, CERTAIN> : compare_angles<T, SIGN, true, false, CERTAIN>;
  return offset ? compare_angles<T, SIGN, false, true, CERTAIN> : compare_angles<T, SIGN, false, false, CERTAIN>;
}

template <class T, bool CERTAIN> inline Comparison<T> comparison_of(Quantity quantity, double curvature, bool swap, bool offset) {
  if (is_distance(quantity))
    return curvature < 0   ? compare_distances<T, -1, CERTAIN>
           : curvature > 0 ? compare_distances<T, 1, CERTAIN>
                           : compare_distances<T, 0, CERTAIN>;
  return curvature < 0   ? angles_by<T, -1, CERTAIN>(swap, offset)
         : curvature > 0 ? angles_by<T, 1, CERTAIN>(swap, offset)
                         : angles_by<T, 0, CERTAIN>(swap, offset);
}

template <class T, bool HIGH> inline Extreme<T> extreme_of(double curvature) {
  if (curvature < 0) return extreme_distances<T, -1, HIGH>;
  return curvature > 0 ? extreme_distances<T, 1, HIGH> : extreme_distances<T, 0, HIGH>;
}

}  // namespace
}  // namespace hiergeo
