// Points in 8 bits, kept beside them: what few queries multiply instead of the points, a quarter of the bytes to read.
//
// Bytes of the points are without sign and those of queries with one, as the instruction wants them, so that what the 128 of the
// bytes adds to a product depends on the query alone.
#pragma once

#include "statistics.h"

namespace hiergeo {
namespace {

// A row is whole numbers of -127 to 127 times a scale, or zeros where it is next to nothing.
constexpr float kNothing = 1e-30f;
HIERGEO_FN float steps_of(float largest) { return largest > kNothing ? 127 / largest : 0.0f; }
HIERGEO_FN float scale_of(float largest) { return largest > kNothing ? largest / 127 : 0.0f; }

// x * steps to the nearest whole number in 8 bits, and the square of what that left over of x; |x * steps| <= 127.
HIERGEO_FN uint32_t quantised(float x, float steps, float scale, float& left_over) {
  constexpr float whole = 12582912;  // numbers near it have no fraction
  float shifted = x * steps + whole;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  float rest = x - (shifted - whole) * scale;
  left_over += rest * rest;
  return bits & 0xff;
}

// Norm of what rounding left over, relative to the norm of the row where the copy is not centred; an upper bound.
HIERGEO_FN float residual_norm(float squares, float inverse) { return square_root(squares) * inverse * 1.001f; }

// Whether products are taken in 8 bits here; those of longer rows leave the range of their sums, 2^31 > 127 * 255 D.
inline bool are_bytes_multiplied(int64_t width) {
#if defined(__AVX512VNNI__)
  const char* named = getenv("HIERGEO_SCREEN");
  return !(named && *named && strcmp(named, "int8") && strcmp(named, "amx")) && width <= 1 << 16 && __builtin_cpu_supports("avx512vnni");
#else
  return false;
#endif
}

// A row in 8 bits, exclusive-ored with `flip`, zeros up to `stride` likewise.
struct QuantisedRow {
  float scale, residual;
  int32_t sum;

  QuantisedRow(const float* from, int64_t width, float factor, float inverse, uint8_t flip, int64_t stride, uint8_t* to) : sum(0) {
    float largest = 0, squares = 0;
    for (int64_t k = 0; k < width; ++k) largest = larger(largest, magnitude(from[k] * factor));
    const float steps = steps_of(largest);
    scale = scale_of(largest);
    for (int64_t k = 0; k < stride; ++k) {
      const uint32_t bits = k < width ? quantised(from[k] * factor, steps, scale, squares) : 0;
      sum += int8_t(bits);
      to[k] = uint8_t(bits) ^ flip;
    }
    residual = residual_norm(squares, inverse);
  }
};

// Writes the shadow of the points.
inline bool shade(const Points& points, double curvature, Shadow to, ParallelFor parallel) {
  const int64_t width = points.direction.width;
  if (!are_bytes_multiplied(width)) return false;
  Statistics<float> statistics(to.count);
  float* const more = to.numbers + Statistics<float>::kFields * to.count;
  auto body = [&](int64_t begin, int64_t end) {
    Buffer<float> scratch(width);
    for (int64_t i = begin; i < end; ++i) {
      if (i >= points.direction.count) {
        statistics.set(i, statistics_of(0.0f, 0, 0), 0, 0, 0);
        more[i] = more[to.count + i] = 0;
        continue;
      }
      const float* from = row_of(points.direction, i, scratch.data());
      const Scaling scaling = scaling_of(points, i, from);
      describe(points, i, curvature, scaling, 0, statistics, i);
      const QuantisedRow row(from, width, float(scaling.factor), float(scaling.inverse), 0x80, to.stride, to.rows + i * to.stride);
      more[i] = row.scale;
      more[to.count + i] = row.residual;
    }
  };
  for_each(to.count, 64, body, parallel);
  memcpy(to.numbers, statistics.fields(), size_t(Statistics<float>::kFields * to.count) * sizeof(float));
  return true;
}

// A few rows x against shadows of the points y. None of this without the instruction, or for rows of doubles.
template <class T> class ShadowProduct {
 public:
  template <class Side> ShadowProduct(const Side*, const Shadow&) {}
  bool wanted() const { return false; }
  void drop() {}
  T residual(int64_t) const { return 0; }
  const T* residuals(int64_t) const { return nullptr; }
  void multiply(int64_t, T*, int64_t) const {}
};

#if defined(__AVX512VNNI__)

template <> class ShadowProduct<float> {
 public:
  template <class Side>
  ShadowProduct(const Side* x, const Shadow& of)
      : shadow_(of), wanted_(x && of.rows && are_bytes_multiplied(x->width)), count_(wanted_ ? x->count : 0),
        rows_(count_ * of.stride), offset_(count_), scale_(count_), residual_(count_) {
    for (int64_t i = 0; i < count_; ++i) {
      const QuantisedRow row(x->row(i), x->width, 1, x->statistics.inverse()[i], 0, of.stride, rows_.data() + i * of.stride);
      offset_[i] = -128 * row.sum;
      scale_[i] = row.scale;
      residual_[i] = row.residual;
    }
  }

  bool wanted() const { return wanted_; }
  void drop() { wanted_ = false; }
  float residual(int64_t i) const { return residual_[i]; }
  const float* residuals(int64_t point) const { return shadow_.numbers + (kShadowNumbers - 1) * shadow_.count + point; }

  // products[i * stride] of all rows x with a point.
  void multiply(int64_t point, float* products, int64_t stride) const {
    const uint8_t* y = shadow_.rows + point * shadow_.stride;
    const float scale = shadow_.numbers[(kShadowNumbers - 2) * shadow_.count + point];
    for (int64_t i = 0; i < count_; ++i) {
      const uint8_t* x = rows_.data() + i * shadow_.stride;
      __m512i sums = _mm512_setzero_si512();
      for (int64_t k = 0; k < shadow_.stride; k += 64)
        sums = _mm512_dpbusd_epi32(sums, _mm512_loadu_si512(y + k), _mm512_loadu_si512(x + k));
      products[i * stride] = float(_mm512_reduce_add_epi32(sums) + offset_[i]) * (scale_[i] * scale);
    }
  }

 private:
  Shadow shadow_;
  bool wanted_;
  int64_t count_;
  Buffer<uint8_t> rows_;
  Buffer<int32_t> offset_;
  Buffer<float> scale_, residual_;
};

#endif

}  // namespace
}  // namespace hiergeo
