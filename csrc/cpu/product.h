// The tile product: register blocks of rows times columns over the whole inner dimension, or torch's product.
#pragma once

#include "rows.h"

namespace hiergeo {
namespace {

// 6 rows by 4 vectors fill 24 of 32 registers with sums, 6 by 2 fill 12 of 16.
constexpr int kBlockRows = 6;
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kBlockVectors = 4;
#else
constexpr int kBlockVectors = 2;
#endif
template <class T> constexpr int kBlockColumns = kBlockVectors * kLanes<T>;

// Steps of the inner dimension summed in registers before they are added up: bounds the rounding of long sums.
constexpr int64_t kBlockSteps = 256;

// c[m][n] (+)= sum over k of a[m, k] b[k, n] for 6 x kBlockColumns numbers; a has any strides, b and c adjacent columns.
template <class T>
inline void block_product(const T* a, int64_t a_row, int64_t a_step, const T* b, int64_t b_step, int64_t steps, T* c,
                          int64_t c_row, bool add) {
  Vector<T> sums[kBlockRows][kBlockVectors] = {};
  for (int64_t k = 0; k < steps; ++k) {
    Vector<T> columns[kBlockVectors];
    for (int v = 0; v < kBlockVectors; ++v) columns[v] = load(b + k * b_step + v * kLanes<T>);
    for (int m = 0; m < kBlockRows; ++m) {
      Vector<T> row = a[m * a_row + k * a_step] - Vector<T>{};
      for (int v = 0; v < kBlockVectors; ++v) sums[m][v] += row * columns[v];
    }
  }
  for (int m = 0; m < kBlockRows; ++m)
    for (int v = 0; v < kBlockVectors; ++v) {
      T* to = c + m * c_row + v * kLanes<T>;
      save(to, add ? load<T>(to) + sums[m][v] : sums[m][v]);
    }
}

// The same over any number of steps.
template <class T>
inline void long_block_product(const T* a, int64_t a_row, int64_t a_step, const T* b, int64_t b_step, int64_t steps, T* c,
                               int64_t c_row, bool add) {
  int64_t k = 0;
  do {
    int64_t chunk = smaller(steps - k, kBlockSteps);
    block_product(a + k * a_step, a_row, a_step, b + k * b_step, b_step, chunk, c, c_row, add || k > 0);
    k += chunk;
  } while (k < steps);
}

// Columns of a panel, [panel][step][column]: of one register block, or of as many as torch multiplies at a time.
template <class T> inline int64_t panel_columns(Product product, int64_t torch_columns) {
  return product == Product::torch ? torch_columns : kBlockColumns<T>;
}

// c (+)= a b for whole register blocks of rows and columns; b lies in panels of `panel` columns that are `panel_stride`
// numbers apart.
template <class T> struct Panels {
  const T* data;
  int64_t columns, panel, panel_stride;
};
template <class T>
inline void panel_product(Product product, const T* a, int64_t a_row, int64_t a_step, int64_t rows, const Panels<T>& b,
                          int64_t steps, T* c, int64_t c_row, bool add) {
  for (int64_t column = 0; column < b.columns; column += b.panel) {
    const T* panel = b.data + column / b.panel * b.panel_stride;
    const int64_t columns = smaller(b.panel, b.columns - column);
    if (product == Product::torch) {
      torch_product(kDtype<T>, {a, rows, steps, a_row, a_step}, {panel, steps, columns, b.panel, 1}, c + column, c_row, add);
      continue;
    }
    for (int64_t i = 0; i < rows; i += kBlockRows)
      long_block_product(a + i * a_row, a_row, a_step, panel, b.panel, steps, c + i * c_row + column, c_row, add);
  }
}

// Steps of one pass over many rows: the columns of a panel that they meet stay in the first-level cache.
constexpr int64_t kPassSteps = 384 / kBlockVectors;

// The same for many rows, in passes over all of them.
template <class T>
inline void pass_product(Product product, const T* a, int64_t a_row, int64_t a_step, int64_t rows, const Panels<T>& b,
                         int64_t steps, T* c, int64_t c_row, bool add) {
  if (product == Product::torch) return panel_product(product, a, a_row, a_step, rows, b, steps, c, c_row, add);
  for (int64_t column = 0; column < b.columns; column += b.panel) {
    const T* panel = b.data + column / b.panel * b.panel_stride;
    int64_t k = 0;
    do {
      const int64_t pass = smaller(steps - k, kPassSteps);
      for (int64_t i = 0; i < rows; i += kBlockRows)
        block_product(a + i * a_row + k * a_step, a_row, a_step, panel + k * b.panel, b.panel, pass, c + i * c_row + column,
                      c_row, add || k > 0);
      k += pass;
    } while (k < steps);
  }
}

}  // namespace
}  // namespace hiergeo
