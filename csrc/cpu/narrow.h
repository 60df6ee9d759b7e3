// The bfloat16 product: half the price of a float32 one, with the norms of what it leaves out. Only where the instruction is.
#pragma once

#include "sweep.h"

#if defined(__AVX512BF16__)

#include <immintrin.h>

namespace hiergeo {
namespace {

// Two numbers as one word of two bfloat16, rounded to nearest, and the squares of what that left over.
HIERGEO_FN uint32_t rounded_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return x == x ? (bits + 0x7fff + ((bits >> 16) & 1)) & 0xffff0000 : 0x7fc00000;
}
HIERGEO_FN uint32_t narrowed(float x, float y, float& left_over) {
  uint32_t low = rounded_bits(x), high = rounded_bits(y);
  float a = x - from_bits(low), b = y - from_bits(high);
  left_over += a * a + b * b;
  return low >> 16 | high;
}

// Norm of what rounding left over, relative to the norm of the row; an upper bound.
HIERGEO_FN float relative_residual(float squares, float inverse) { return square_root(squares) * inverse * 1.001f; }

// Rows of x as words of two bfloat16, with the relative residual of each.
struct NarrowRows {
  int64_t count, width, words, padded;
  Buffer<uint32_t> copy;
  Buffer<float> residual;

  NarrowRows(const RowSide<float>& x, ParallelFor parallel)
      : count(x.count), width(x.width), words((x.width + 1) / 2), padded(x.padded), copy(padded * words),
        residual(padded) {
    auto body = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const float* from = x.row(i);
        float squares = 0;
        for (int64_t w = 0; w < words; ++w)
          copy[i * words + w] = narrowed(from[2 * w], 2 * w + 1 < width ? from[2 * w + 1] : 0.0f, squares);
        residual[i] = relative_residual(squares, x.statistics.inverse()[i]);
      }
    };
    for_each(padded, 64, body, parallel);
  }
};

// The columns of a stretch likewise, [panel][word][column].
struct NarrowColumns {
  static constexpr Product product = Product::own;
  int64_t width, words, count = 0;
  Buffer<uint32_t> copy;
  Buffer<float> residual;

  NarrowColumns(int64_t capacity, int64_t of_width)
      : width(of_width), words((of_width + 1) / 2), copy(rounded_up(capacity, kColumns) * words),
        residual(rounded_up(capacity, kColumns)) {}

  const uint32_t* block(int64_t column) const { return copy.data() + column * words; }

  void load(const ColumnSide<float>& y, ParallelFor parallel) {
    count = y.count;
    auto body = [&](int64_t first, int64_t last) {
      for (int64_t panel = first; panel < last; ++panel) fill(y, panel * kColumns);
    };
    for_each(rounded_up(count, kColumns) / kColumns, 1, body, parallel);
  }

 private:
  static constexpr int64_t kColumns = kBlockColumns<float>;

  void fill(const ColumnSide<float>& y, int64_t start) {
    alignas(64) float squares[kColumns] = {};
    const float* from = y.panels(start, kColumns).data;
    uint32_t* to = copy.data() + start * words;
    for (int64_t w = 0; w < words; ++w) {
      const float* low = from + 2 * w * kColumns;
      const float* high = low + kColumns;
      const bool whole = 2 * w + 1 < width;
      for (int64_t c = 0; c < kColumns; ++c) to[w * kColumns + c] = narrowed(low[c], whole ? high[c] : 0.0f, squares[c]);
    }
    for (int64_t c = 0; c < kColumns; ++c)
      residual[start + c] = relative_residual(squares[c], y.statistics.inverse()[start + c]);
  }
};

inline void block_product(const NarrowRows& x, int64_t block, const NarrowColumns& y, int64_t column, float* products) {
  const uint32_t *a = x.copy.data() + block * x.words, *b = y.block(column);
  __m512 sums[kBlockRows][kBlockVectors];
  for (int m = 0; m < kBlockRows; ++m)
    for (int v = 0; v < kBlockVectors; ++v) sums[m][v] = _mm512_setzero_ps();
  for (int64_t w = 0; w < x.words; ++w) {
    __m512bh columns[kBlockVectors];
    for (int v = 0; v < kBlockVectors; ++v)
      columns[v] = (__m512bh)_mm512_loadu_si512(b + w * kBlockColumns<float> + v * kLanes<float>);
    for (int m = 0; m < kBlockRows; ++m) {
      __m512bh row = (__m512bh)_mm512_set1_epi32(int(a[m * x.words + w]));
      for (int v = 0; v < kBlockVectors; ++v) sums[m][v] = _mm512_dpbf16_ps(sums[m][v], row, columns[v]);
    }
  }
  for (int m = 0; m < kBlockRows; ++m)
    for (int v = 0; v < kBlockVectors; ++v) _mm512_storeu_ps(products + m * kTileColumns + v * kLanes<float>, sums[m][v]);
}

inline void tile_product(const NarrowRows& x, int64_t block, int64_t rows, const NarrowColumns& y, int64_t column, int64_t n,
                         float* products) {
  for (int64_t i = 0; i < rows; i += kBlockRows)
    for (int64_t c = 0; c < n; c += kBlockColumns<float>)
      block_product(x, block + i, y, column + c, products + i * kTileColumns + c);
}

}  // namespace
}  // namespace hiergeo

#endif
