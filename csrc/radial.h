// Radial statistics: everything the triangle law needs to know about one point besides its direction.
//
// With s = sqrt(|K|) and a = s r. Positions along the ray that the law subtracts from each other are carried as an
// unevaluated sum hi + lo. Lengths stay lengths, so that tiny radii do not vanish where s is tiny too.
#pragma once

#include "elementary.h"

namespace hiergeo {
namespace {

// `lo` holds what rounding `hi` left over.
template <class T> struct Split {
  T hi, lo;
};

template <class T, class W> HIERGEO_FN void split(W value, T& hi, T& lo) {
  hi = T(value);
  lo = T(value - W(hi));
}

template <class T> struct Radial {
  T radius, radius_low;  // r and what rounding it left over               (K < 0; K = 0; K > 0)
  T sine, sine_low;      // tanh(a)/s; r; sin(a)/s, and what rounding it left over, which is 0 for K > 0
  Split<T> end;  // position seen from the end of the ray: (tanh(a) - 1)/s; -; r - pi/s
  T cosine;      // 1; 1; cos(a)
  T shrink;      // 1/cosh(a), by which `sine` and the positions were divided; 1; 1
  T log_cosh;    // log cosh(a); -; -
  T bow;         // (r/cosh(a) - sine)/K; r^3/6; (r - sine)/K: the radial part of derivatives by K
};

// r_y - r_x.
template <class T> HIERGEO_FN T step_between(const Radial<T>& x, const Radial<T>& y) {
  return (y.radius - x.radius) + (y.radius_low - x.radius_low);
}

HIERGEO_FN double expm1_of(double x) { return expm1(x); }
HIERGEO_FN double exp_of(double x) { return exp(x); }
HIERGEO_FN double log1p_of(double x) { return log1p(x); }
HIERGEO_FN double sin_of(double x) { return sin(x); }
HIERGEO_FN double cos_of(double x) { return cos(x); }
#if !defined(__CUDACC__)
inline long double expm1_of(long double x) { return expm1l(x); }
inline long double exp_of(long double x) { return expl(x); }
inline long double log1p_of(long double x) { return log1pl(x); }
inline long double sin_of(long double x) { return sinl(x); }
inline long double cos_of(long double x) { return cosl(x); }
#endif

// (r shrink - sine)/K; a series where the closed form would cancel.
template <class W> HIERGEO_FN W bow_of(W r, W sine, W shrink, W curvature) {
  W x = curvature * r * r;
  if (x < W(1e-2) && x > W(-1e-2))
    return r * r * horner(x, W(1) / 6, W(7) / 360, W(31) / 15120, W(127) / 604800) * sine;
  return (r * shrink - sine) / curvature;
}

// The statistics of radius r in curvature K, computed in W and rounded to T once; a radius that is not finite gives NaN.
template <class T, class W> HIERGEO_FN Radial<T> radial(W r, W curvature) {
  constexpr W pi = W(3.14159265358979323846264338327950288L);
  r += 0 * r;  // infinity to NaN
  W s = curvature < 0 ? -curvature : curvature;
  s = sizeof(W) > sizeof(double) ? W(sqrtl(s)) : W(sqrt(double(s)));
  W a = s * r;
  Radial<T> p;
  split(r, p.radius, p.radius_low);
  p.cosine = p.shrink = T(1);
  p.end = {T(0), T(0)};
  p.log_cosh = T(0);
  if (curvature < 0) {
    W fall = exp_of(-a), decay = fall * fall, shrink = 2 * fall / (1 + decay);
    W rise = a < W(0.5) ? -expm1_of(-2 * a) : 1 - decay, sine = rise / (1 + decay) / s;
    split(sine, p.sine, p.sine_low);
    split(-2 * decay / (1 + decay) / s, p.end.hi, p.end.lo);
    p.shrink = T(shrink);
    p.log_cosh = T(a + log1p_of(decay) - W(0.693147180559945309417232121458176568L));
    p.bow = T(bow_of(r, sine, shrink, curvature));
  } else if (curvature > 0) {
    W sine = sin_of(a) / s;
    sine = sine < 0 ? W(0) : sine;
    p.sine = T(sine), p.sine_low = T(0);
    split(r - pi / s, p.end.hi, p.end.lo);
    p.cosine = T(cos_of(a));
    p.bow = T(bow_of(r, sine, W(1), curvature));
  } else {
    p.sine = p.radius, p.sine_low = p.radius_low;
    p.bow = T(r * r * r / 6);
  }
  return p;
}

}  // namespace
}  // namespace hiergeo
