// Few rows against many columns: products taken from the columns where they lie, since to copy them would cost more.
#pragma once

#include "rows.h"

namespace hiergeo {
namespace {

constexpr int64_t kDirectRows = 8;  // at most so many
constexpr int64_t kDirectColumns = 4;

// Rows of one side whose products with the other are summed at once: their sums stay in registers.
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kDirectBlock = 4;
#else
constexpr int kDirectBlock = 2;
#endif

template <class T> HIERGEO_FN T lane_sum(Vector<T> v) {
  T sum = 0;
  for (int lane = 0; lane < kLanes<T>; ++lane) sum += v[lane];
  return sum;
}

// products[r * stride + c] = <row r of x, column c> for ROWS rows, `width` numbers apart, and four columns.
template <int ROWS, class T>
inline void direct_block(const T* x, int64_t width, const T* const columns[kDirectColumns], T* products, int64_t stride) {
  constexpr int lanes = kLanes<T>;
  Vector<T> sums[ROWS][kDirectColumns] = {};
  int64_t k = 0;
  for (; k + lanes <= width; k += lanes)
    for (int c = 0; c < kDirectColumns; ++c) {
      const Vector<T> column = load(columns[c] + k);
      for (int r = 0; r < ROWS; ++r) sums[r][c] += load(x + r * width + k) * column;
    }
  for (int r = 0; r < ROWS; ++r)
    for (int c = 0; c < kDirectColumns; ++c) {
      T sum = lane_sum<T>(sums[r][c]);
      for (int64_t rest = k; rest < width; ++rest) sum += x[r * width + rest] * columns[c][rest];
      products[r * stride + c] = sum;
    }
}

// The same for any number of rows.
template <class T>
inline void direct_products(const T* x, int64_t rows, int64_t width, const T* const columns[kDirectColumns], T* products,
                            int64_t stride) {
  int64_t r = 0;
  for (; r + kDirectBlock <= rows; r += kDirectBlock)
    direct_block<kDirectBlock>(x + r * width, width, columns, products + r * stride, stride);
  for (; r < rows; ++r) direct_block<1>(x + r * width, width, columns, products + r * stride, stride);
}

}  // namespace
}  // namespace hiergeo
