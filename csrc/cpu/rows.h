// Rows of any dtype as numbers of the compute type T, and the exact sums over them that are taken in double.
#pragma once

#include "lanes.h"

namespace hiergeo {
namespace {

HIERGEO_FN float from_bits(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

HIERGEO_FN float bfloat16_number(uint16_t bits) { return from_bits(uint32_t(bits) << 16); }

// The exponent field is moved into place and its bias mended by one exact product; infinities and NaN keep theirs.
HIERGEO_FN float float16_number(uint16_t bits) {
  uint32_t magnitude_bits = uint32_t(bits & 0x7fff) << 13, sign = uint32_t(bits & 0x8000) << 16;
  float x = from_bits(magnitude_bits) * 0x1p112f;
  uint32_t y;
  memcpy(&y, &x, sizeof y);
  y = magnitude_bits >= 0x0f800000 ? magnitude_bits | 0x7f800000 : y;
  return from_bits(y | sign);
}

// `count` numbers of 16 bits as type T, whole vectors of floats at a time.
#if defined(__AVX512F__)
constexpr int64_t kWidened = 16;
HIERGEO_FN Vector<float> float16_numbers(const uint16_t* bits) {
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bits)));
}
#elif defined(__F16C__)
constexpr int64_t kWidened = 8;
HIERGEO_FN Vector<float> float16_numbers(const uint16_t* bits) {
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bits)));
}
#else
constexpr int64_t kWidened = 0;
#endif

inline void widen(const uint16_t* bits, Dtype dtype, int64_t count, float* to) {
  if (dtype == Dtype::bfloat16) {
    for (int64_t k = 0; k < count; ++k) to[k] = bfloat16_number(bits[k]);
    return;
  }
  int64_t k = 0;
#if defined(__F16C__)
  for (; k + kWidened <= count; k += kWidened) save(to + k, float16_numbers(bits + k));
#endif
  for (; k < count; ++k) to[k] = float16_number(bits[k]);
}
inline void widen(const uint16_t* bits, Dtype dtype, int64_t count, double* to) {
  for (int64_t k = 0; k < count; ++k)
    to[k] = dtype == Dtype::bfloat16 ? bfloat16_number(bits[k]) : float16_number(bits[k]);
}

template <class T> constexpr Dtype kDtype = sizeof(T) == sizeof(float) ? Dtype::float32 : Dtype::float64;

// `width` numbers of row i from number `from` on, as type T: where they lie if they have that type, else converted into
// `scratch`.
template <class T> inline const T* part_of(const Rows& rows, int64_t i, int64_t from, int64_t width, T* scratch) {
  int64_t start = i * rows.stride + from;
  if (rows.dtype == kDtype<T>) return static_cast<const T*>(rows.data) + start;
  widen(static_cast<const uint16_t*>(rows.data) + start, rows.dtype, width, scratch);
  return scratch;
}

template <class T> inline const T* row_of(const Rows& rows, int64_t i, T* scratch) {
  return part_of(rows, i, 0, rows.width, scratch);
}

template <class T> inline double squared_norm(const T* x, int64_t width) {
  Wide sums[4] = {};  // chains that do not wait for each other
  int64_t k = 0;
  for (; k + 32 <= width; k += 32)
    for (int chain = 0; chain < 4; ++chain) {
      Wide v = widened(x + k + 8 * chain);
      sums[chain] += v * v;
    }
  for (; k + 8 <= width; k += 8) {
    Wide v = widened(x + k);
    sums[0] += v * v;
  }
  double rest = 0;
  for (; k < width; ++k) rest += double(x[k]) * x[k];
  return total((sums[0] + sums[1]) + (sums[2] + sums[3])) + rest;
}

// A row less an origin, in double.
template <class T> struct Offset {
  const T* row;
  const double* origin;

  double operator[](int64_t k) const { return row[k] - origin[k]; }
};

// Eight numbers of a row from number `k` on.
template <class T> HIERGEO_FN Wide wide_at(const T* row, int64_t k) { return widened(row + k); }
template <class T> HIERGEO_FN Wide wide_at(Offset<T> row, int64_t k) { return widened(row.row + k) - widened(row.origin + k); }

template <class X, class Y> inline double wide_dot(X x, Y y, int64_t width) {
  Wide sum = {}, next = {};
  int64_t k = 0;
  for (; k + 16 <= width; k += 16) {
    sum += wide_at(x, k) * wide_at(y, k);
    next += wide_at(x, k + 8) * wide_at(y, k + 8);
  }
  double rest = 0;
  for (; k < width; ++k) rest += double(x[k]) * y[k];
  return total(sum + next) + rest;
}

template <class T> inline double wide_sum(const T* x, int64_t width) {
  Wide sum = {};
  int64_t k = 0;
  for (; k + 8 <= width; k += 8) sum += widened(x + k);
  double rest = 0;
  for (; k < width; ++k) rest += x[k];
  return total(sum) + rest;
}

// Rays closer than this, an angle of 6e-16, are one.
constexpr double kSameRay = 0x1p-102;

// Half the squared chord between x / |x| and side y / |y|; 0 where it is no more than rounding, so that parallel rows of any
// lengths have none. One row is brought to the length of the other.
template <class Row>
inline double half_squared_chord(Row x, double inverse_x, Row y, double inverse_y, double side, int64_t width) {
  const double ratio = side * inverse_y / inverse_x;
  Wide sum = {};
  int64_t k = 0;
  for (; k + 8 <= width; k += 8) {
    Wide v = wide_at(x, k) - wide_at(y, k) * ratio;
    sum += v * v;
  }
  double rest = 0;
  for (; k < width; ++k) {
    double v = x[k] - y[k] * ratio;
    rest += v * v;
  }
  const double half = (total(sum) + rest) * inverse_x * inverse_x / 2;
  return half < kSameRay ? 0 : half;
}

// Where 1 -+ cos of a product in double falls below this, it is taken from the chord instead.
constexpr double kChordBelow = 0x1p-20;

struct WideOpening {
  double versine, coversine;
};

// 1 - cos and 1 + cos of the angle between two rows, both to full relative precision.
template <class Row>
inline WideOpening wide_opening(Row x, double inverse_x, Row y, double inverse_y, int64_t width) {
  double cosine = wide_dot(x, y, width) * inverse_x * inverse_y;
  WideOpening opening = {1 - cosine, 1 + cosine};
  if (opening.versine < kChordBelow) {
    opening.versine = half_squared_chord(x, inverse_x, y, inverse_y, 1, width);
    opening.coversine = 2 - opening.versine;
  } else if (opening.coversine < kChordBelow) {
    opening.coversine = half_squared_chord(x, inverse_x, y, inverse_y, -1, width);
    opening.versine = 2 - opening.coversine;
  }
  return opening;
}

}  // namespace
}  // namespace hiergeo
