// Sinks, which store or reduce the values of pairs: one small struct each.
#pragma once

#include "../loss.h"
#include "sweep.h"

namespace hiergeo {
namespace {

HIERGEO_FN uint16_t to_bfloat16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t rounded = (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  return uint16_t(x == x ? rounded : 0x7fc0);
}

// For the numbers this library writes, |x| < 65520; larger ones become infinity.
HIERGEO_FN uint16_t to_float16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t sign = (bits >> 16) & 0x8000, level = bits & 0x7fffffff;
  float tiny;
  uint32_t denormal = level;
  memcpy(&tiny, &denormal, sizeof tiny);
  tiny += 0.5f;  // the sum rounds |x| < 2^-14 to a multiple of 2^-24
  memcpy(&denormal, &tiny, sizeof denormal);
  denormal -= 0x3f000000;
  uint32_t normal = (level - 0x38000000 + 0xfff + ((level >> 13) & 1)) >> 13;
  uint32_t half = level < 0x38800000 ? denormal : normal;
  half = level >= 0x477ff000 ? 0x7c00 : half;
  half = level > 0x7f800000 ? 0x7e00 : half;
  return uint16_t(half | sign);
}

struct Half {};   // float16 in storage
struct Brain {};  // bfloat16 in storage

template <class To> struct Stored {
  typedef To type;
  template <class T> static HIERGEO_FN To of(T x) { return To(x); }
};
template <> struct Stored<Half> {
  typedef uint16_t type;
  template <class T> static HIERGEO_FN uint16_t of(T x) { return to_float16(float(x)); }
};
template <> struct Stored<Brain> {
  typedef uint16_t type;
  template <class T> static HIERGEO_FN uint16_t of(T x) { return to_bfloat16(float(x)); }
};

template <class T, class To> struct Store final : Sink<T> {
  typename Stored<To>::type* to;
  int64_t stride;

  Store(void* data, int64_t row_stride) : to(static_cast<typename Stored<To>::type*>(data)), stride(row_stride) {}

  void row(int64_t i, int64_t first, const T* values, int64_t n) override {
    typename Stored<To>::type* out = to + i * stride + first;
    for (int64_t j = 0; j < n; ++j) out[j] = Stored<To>::of(values[j]);
  }
};

// How many values are >= 0.
template <class T> struct Count final : Sink<T> {
  int64_t* counts;

  explicit Count(int64_t* to) : counts(to) {}

  void row(int64_t i, int64_t, const T* values, int64_t n) override {
    int32_t found = 0;
    for (int64_t j = 0; j < n; ++j) found += values[j] >= 0;
    counts[i] += found;
  }
};

// Which values are >= 0: the columns of row i from place next[i] on.
template <class T> struct Members final : Sink<T> {
  int64_t* columns;
  int64_t* next;

  Members(int64_t* to, int64_t* places) : columns(to), next(places) {}

  void row(int64_t i, int64_t first, const T* values, int64_t n) override {
    int64_t place = next[i];
    for (int64_t j = 0; j < n; ++j)
      if (values[j] >= 0) columns[place++] = first + j;
    next[i] = place;
  }
};

// The sum of all values.
template <class T> struct Sum final : Sink<T> {
  double* sums;

  explicit Sum(double* to) : sums(to) {}

  void row(int64_t i, int64_t, const T* values, int64_t n) override {
    sums[i] += wide_sum(values, n);
  }
};

// The sum of a loss, from exterior angles.
template <class T> struct LossSum final : Sink<T> {
  const double* aperture;
  Loss<T> loss;
  int64_t count;
  Buffer<double> sums;

  LossSum(const Points& x, LossKind kind) : aperture(x.number), loss(kind), count(x.direction.count), sums(count) {
    memset(sums.data(), 0, size_t(count) * sizeof(double));
  }

  void row(int64_t i, int64_t, const T* angles, int64_t n) override {
    alignas(64) T values[kTileColumns];
    const T number = T(aperture[i]);
    const Loss<T> of = loss;
    for (int64_t j = 0; j < n; ++j) values[j] = of.value(angles[j], number);
    sums[i] += wide_sum(values, n);
  }
  double total() const { return wide_sum(sums.data(), count); }
};

// The smallest value and its column.
template <class T> struct Least final : Sink<T> {
  T* values;
  int64_t* columns;

  Least(T* to, int64_t* places) : values(to), columns(places) {}

  void row(int64_t i, int64_t first, const T* row_values, int64_t n) override {
    T least = values[i];
    int better = 0;
    for (int64_t j = 0; j < n; ++j) better |= row_values[j] < least;
    if (!better) return;
    for (int64_t j = 0; j < n; ++j)
      if (row_values[j] < least) {
        least = row_values[j];
        columns[i] = first + j;
      }
    values[i] = least;
  }
};

}  // namespace
}  // namespace hiergeo
