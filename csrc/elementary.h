// Elementary functions as branch-free polynomials, so that loops over pairs vectorise and host and device agree.
//
// Every function here and in the headers built on it has internal linkage: each translation unit keeps a copy compiled
// for its own instruction set, and the linker can never hand an AVX-512 body to a machine without it.
#pragma once

#include <math.h>
#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define HIERGEO_FN __host__ __device__ __forceinline__
#else
#define HIERGEO_FN inline __attribute__((always_inline))
#endif

namespace hiergeo {
namespace {

constexpr double kPi = 3.14159265358979323846;

HIERGEO_FN float square_root(float x) { return __builtin_sqrtf(x); }
HIERGEO_FN double square_root(double x) { return __builtin_sqrt(x); }
HIERGEO_FN float magnitude(float x) { return __builtin_fabsf(x); }
HIERGEO_FN double magnitude(double x) { return __builtin_fabs(x); }

template <class T> HIERGEO_FN T smaller(T a, T b) { return a < b ? a : b; }
template <class T> HIERGEO_FN T larger(T a, T b) { return a < b ? b : a; }
template <class T> HIERGEO_FN T sign_of(T x) { return T(x > 0) - T(x < 0); }

// c0 + c1 x + c2 x^2 + ...
template <class T> HIERGEO_FN T horner(T, T c) { return c; }
template <class T, class... Rest> HIERGEO_FN T horner(T x, T c, Rest... rest) { return c + x * horner(x, T(rest)...); }

// atan(t)/t as a polynomial in z = t^2; float: |t| <= 1, relative error 1.9e-8; double: |t| <= tan(pi/8), 5e-20.
HIERGEO_FN float atan_series(float z) {
  return horner(z, 0.9999999818f, -0.3333303671f, 0.1999187203f, -0.1419779779f, 0.1061837064f, -0.07456854826f,
                0.04213762359f, -0.01573124912f, 0.002766283502f);
}
HIERGEO_FN double atan_series(double z) {
  return horner(z, 1.0, -0.33333333333333324, 0.19999999999997014, -0.14285714285329708, 0.11111111085322109,
                -0.09090908059031191, 0.076922810999377433, -0.066662052599765262, 0.058768340046141607,
                -0.05217312574061591, 0.04499500728984032, -0.033387824501211952, 0.015113765096600925);
}

// sin(x)/x as a polynomial in z = x^2, |x| <= pi/2; relative error 3e-11 and 5e-22 before rounding.
HIERGEO_FN float sine_series(float z) {
  return horner(z, 1.0f, -0.1666666662f, 0.008333330974f, -0.0001984086118f, 2.752526981e-6f, -2.388921777e-8f);
}
HIERGEO_FN double sine_series(double z) {
  return horner(z, 1.0, -0.16666666666666667, 0.008333333333333333, -0.0001984126984126967, 2.7557319223940713e-6,
                -2.5052108378602197e-8, 1.6059043206300948e-10, -7.6471277399664175e-13, 2.8102145350022103e-15,
                -7.9825189617838324e-18);
}

// atanh(t)/t as a polynomial in z = t^2, |t| <= (sqrt 2 - 1)/(sqrt 2 + 1); relative error 7e-10 and 8e-21.
HIERGEO_FN float atanh_series(float z) {
  return horner(z, 0.9999999993f, 0.3333340767f, 0.1998742526f, 0.1496219524f);
}
HIERGEO_FN double atanh_series(double z) {
  return horner(z, 1.0, 0.33333333333333329, 0.20000000000003747, 0.14285714284409563, 0.1111111133846477,
                0.090908868690081529, 0.076935804630670399, 0.066243815417300579, 0.066310518370109045);
}

// exp(x) for |x| <= ln(2)/2 as its Taylor polynomial; relative error 5e-9 and 5e-18.
HIERGEO_FN float exp_series(float x) {
  return horner(x, 1.0f, 1.0f, 1.0f / 2, 1.0f / 6, 1.0f / 24, 1.0f / 120, 1.0f / 720, 1.0f / 5040);
}
HIERGEO_FN double exp_series(double x) {
  return horner(x, 1.0, 1.0, 1.0 / 2, 1.0 / 6, 1.0 / 24, 1.0 / 120, 1.0 / 720, 1.0 / 5040, 1.0 / 40320, 1.0 / 362880,
                1.0 / 3628800, 1.0 / 39916800, 1.0 / 479001600, 1.0 / 6227020800);
}

// atan(t) for 0 <= t <= 1.
HIERGEO_FN float atan_unit(float t) { return t * atan_series(t * t); }
HIERGEO_FN double atan_unit(double t) {
  bool upper = t > 0.41421356237309505;
  double u = upper ? (t - 1) / (t + 1) : t;
  return (upper ? kPi / 4 : 0.0) + u * atan_series(u * u);
}

// atan2(y, x) for y >= 0, in [0, pi]; 0 at the origin, NaN where y or x is.
template <class T> HIERGEO_FN T arc(T y, T x) {
  T across = magnitude(x);
  bool steep = across < y;
  T low = steep ? across : y, high = steep ? y : across;
  T angle = atan_unit(low / (high == 0 ? T(1) : high));
  angle = steep ? T(kPi / 2) - angle : angle;
  return x < 0 ? T(kPi) - angle : angle;
}

// sqrt(x^2 + y^2) for y >= 0 without overflow or underflow of the squares.
template <class T> HIERGEO_FN T hypotenuse(T x, T y) {
  T across = magnitude(x);
  bool steep = across < y;
  T low = steep ? across : y, high = steep ? y : across;
  T ratio = low / (high == 0 ? T(1) : high);
  return high * square_root(1 + ratio * ratio);
}

// sin(x) for |x| <= pi/2.
template <class T> HIERGEO_FN T sine_half_turn(T x) { return x * sine_series(x * x); }

// x > 0 as m 2^e with m in [sqrt(1/2), sqrt(2)).
HIERGEO_FN float mantissa(float x, float& exponent) {
  int32_t bits;
  memcpy(&bits, &x, sizeof bits);
  int32_t e = (bits - 0x3f3504f3) >> 23;
  bits -= e * (1 << 23);
  exponent = float(e);
  memcpy(&x, &bits, sizeof bits);
  return x;
}
HIERGEO_FN double mantissa(double x, double& exponent) {
  int64_t bits;
  memcpy(&bits, &x, sizeof bits);
  int64_t e = (bits - 0x3fe6a09e667f3bcd) >> 52;
  bits -= e * (int64_t(1) << 52);
  exponent = double(e);
  memcpy(&x, &bits, sizeof bits);
  return x;
}

// log(y) + rest for y > 0 finite, where rest is what rounding took from y, relative to y; NaN where y is.
template <class T> HIERGEO_FN T logarithm(T y, T rest) {
  T exponent;
  T m = mantissa(y, exponent);
  T t = (m - 1) / (m + 1);
  return exponent * T(0.69314718055994531) + (2 * t * atanh_series(t * t) + rest) + 0 * y;
}

// ln(2) as a sum whose first part has room for a product with any exponent, and where exp(x) leaves the normal numbers.
template <class T> struct Binary;
template <> struct Binary<float> {
  typedef uint32_t Bits;
  static constexpr Bits one = 0x3f800000;
  static constexpr int places = 23;
  static constexpr float least = -87, most = 88, round = 0x1.8p23f, high = 0.693359375f, low = -2.12194440e-4f;
};
template <> struct Binary<double> {
  typedef uint64_t Bits;
  static constexpr Bits one = 0x3ff0000000000000;
  static constexpr int places = 52;
  static constexpr double least = -708, most = 709, round = 0x1.8p52, high = 6.93147180369123816490e-01,
                          low = 1.90821492927058770002e-10;
};

// exp(x), 0 below the normal numbers and at most exp(88) or exp(709); NaN where x is.
template <class T> HIERGEO_FN T exponential(T x) {
  using Of = Binary<T>;
  T within = x < Of::least ? Of::least : x > Of::most ? Of::most : x;
  T shifted = within * T(1.4426950408889634) + Of::round, exponent = shifted - Of::round;
  T rest = (within - exponent * Of::high) - exponent * Of::low;
  typename Of::Bits bits;  // the last ones of `shifted` are the exponent
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << Of::places) + Of::one;
  T power;
  memcpy(&power, &bits, sizeof power);
  return x < Of::least ? T(0) : exp_series(rest) * power;
}

}  // namespace
}  // namespace hiergeo
