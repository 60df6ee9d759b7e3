// Radial statistics: everything the triangle law needs to know about one point besides its direction.
//
// With s = sqrt(|K|) and a = s r. Lengths are in units of 1/s for K != 0, so that the law has no scale of its own.
// Positions along the ray that the law subtracts from each other are carried as an unevaluated sum hi + lo.
#pragma once

#include "elementary.h"

namespace hiergeo {
namespace {

// `lo` holds what rounding `hi` left over.
template <class T> struct Split {
  T hi, lo;
};

template <class T, class W> HIERGEO_FN Split<T> split(W value) {
  T hi = T(value);
  T lo = T(value - W(hi));
  return {hi, lo};
}

template <class T> struct Radial {
  T radius;       // r
  Split<T> root;  // position seen from the root: tanh(a); r; a          (K < 0; K = 0; K > 0)
  Split<T> end;   // position seen from the end of the ray: tanh(a) - 1; -; a - pi
  T sine;         // tanh(a); r; sin(a)
  T cosine;       // 1; 1; cos(a)
  T shrink;       // 1/cosh(a), by which `sine` and the positions were divided; 1; 1
  T log_cosh;     // log cosh(a); -; -
  T excess;       // (r/sn(r) - 1)/K, that is r^2/6 at K = 0: the radial part of derivatives by K
};

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

// (r/sn(r) - 1)/K; a series where the closed form would cancel.
template <class W> HIERGEO_FN W excess_of(W r, W sn, W curvature) {
  W x = curvature * r * r;
  if (x < W(1e-2) && x > W(-1e-2)) return r * r * horner(x, W(1) / 6, W(7) / 360, W(31) / 15120, W(127) / 604800);
  return (r / sn - 1) / curvature;
}

// The statistics of radius r in curvature K, computed in W and rounded to T once; a radius that is not finite gives NaN.
template <class T, class W> HIERGEO_FN Radial<T> radial(W r, W curvature) {
  constexpr W pi = W(3.14159265358979323846264338327950288L);
  r += 0 * r;  // infinity to NaN
  W s = curvature < 0 ? -curvature : curvature;
  s = sizeof(W) > sizeof(double) ? W(sqrtl(s)) : W(sqrt(double(s)));
  W a = s * r;
  Radial<T> p;
  p.radius = T(r);
  p.cosine = p.shrink = T(1);
  p.end = {T(0), T(0)};
  p.log_cosh = T(0);
  if (curvature < 0) {
    W fall = exp_of(-a), decay = fall * fall, shrink = 2 * fall / (1 + decay);
    W rise = a < W(0.5) ? -expm1_of(-2 * a) : 1 - decay, tanh_a = rise / (1 + decay);
    p.root = split<T>(tanh_a);
    p.end = split<T>(-2 * decay / (1 + decay));
    p.sine = T(tanh_a);
    p.shrink = T(shrink);
    p.log_cosh = T(a + log1p_of(decay) - W(0.693147180559945309417232121458176568L));
    p.excess = T(excess_of(r, tanh_a / shrink / s, curvature));
  } else if (curvature > 0) {
    W sine = sin_of(a);
    sine = sine < 0 ? W(0) : sine;
    p.root = split<T>(a);
    p.end = split<T>(a - pi);
    p.sine = T(sine);
    p.cosine = T(cos_of(a));
    p.excess = T(excess_of(r, sine / s, curvature));
  } else {
    p.root = split<T>(r);
    p.sine = T(r);
    p.excess = T(r * r / 6);
  }
  return p;
}

}  // namespace
}  // namespace hiergeo
