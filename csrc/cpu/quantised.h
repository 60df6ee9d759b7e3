// The product in 8 bits: a quarter of the price of a float32 one, exact in integers, with the norms of what rounding left over.
// Only where the instruction is.
#pragma once

#include "sweep.h"
#include "tiles.h"

#if defined(__AVX512VNNI__)

#include <immintrin.h>

namespace hiergeo {
namespace {

// Whether bytes are multiplied by tiles here.
inline bool are_tiled() {
  const char* named = getenv("HIERGEO_SCREEN");
  return !(named && !strcmp(named, "int8")) && are_tiles_given();
}

// Words of four numbers that a row of so many takes; tiles have no fewer than 16.
inline int64_t words_of(int64_t width) { return rounded_up((width + 3) / 4, are_tiled() ? kTileWords : 1); }

// Rows of x as words of four numbers + 128, without sign as the instruction wants one side.
struct QuantisedRows {
  int64_t words;
  bool tiled;
  Buffer<uint32_t> copy;
  Buffer<float> scale, residual;

  QuantisedRows(const RowSide<float>& x, ParallelFor parallel)
      : words(words_of(x.width)), tiled(are_tiled()), copy(x.padded * words), scale(x.padded), residual(x.padded) {
    auto body = [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) fill(x, i);
    };
    for_each(x.padded, 64, body, parallel);
  }

 private:
  void fill(const RowSide<float>& x, int64_t i) {
    const float* from = x.row(i);
    float largest = 0, squares = 0;
    for (int64_t k = 0; k < x.width; ++k) largest = larger(largest, magnitude(from[k]));
    const float steps = steps_of(largest);
    scale[i] = scale_of(largest);
    for (int64_t w = 0; w < words; ++w) {
      uint32_t word = 0;
      for (int64_t n = 0; n < 4; ++n) {
        const int64_t k = 4 * w + n;
        word |= (quantised(k < x.width ? from[k] : 0.0f, steps, scale[i], squares) ^ 0x80) << (8 * n);
      }
      copy[i * words + w] = word;
    }
    residual[i] = residual_norm(squares, x.statistics.inverse()[i]);
  }
};

// The columns of a stretch, [panel][word][column], with what the 128 adds to their products, negated.
struct QuantisedColumns {
  static constexpr int64_t kColumns = kBlockColumns<float>;
  int64_t width, words;
  Buffer<uint32_t> copy;
  Buffer<int32_t> offset;
  Buffer<float> scale, residual;

  QuantisedColumns(int64_t capacity, int64_t of_width)
      : width(of_width), words(words_of(of_width)), copy(rounded_up(capacity, kColumns) * words),
        offset(rounded_up(capacity, kColumns)), scale(rounded_up(capacity, kColumns)),
        residual(rounded_up(capacity, kColumns)) {}

  const uint32_t* block(int64_t column) const { return copy.data() + column * words; }

  void load(const ColumnSide<float>& y, ParallelFor parallel) {
    auto body = [&](int64_t first, int64_t last) {
      for (int64_t panel = first; panel < last; ++panel) fill(y, panel * kColumns);
    };
    for_each(rounded_up(y.count, kColumns) / kColumns, 1, body, parallel);
  }

 private:
  void fill(const ColumnSide<float>& y, int64_t start) {
    alignas(64) float largest[kColumns] = {}, steps[kColumns], scales[kColumns], squares[kColumns] = {};
    alignas(64) uint32_t word[kColumns];
    alignas(64) int32_t sums[kColumns] = {};
    const float* from = y.panels(start, kColumns).data;
    for (int64_t k = 0; k < width; ++k)
      for (int64_t c = 0; c < kColumns; ++c) largest[c] = larger(largest[c], magnitude(from[k * kColumns + c]));
    for (int64_t c = 0; c < kColumns; ++c) {
      steps[c] = steps_of(largest[c]);
      scales[c] = scale_of(largest[c]);
    }
    uint32_t* to = copy.data() + start * words;
    for (int64_t w = 0; w < words; ++w) {
      for (int64_t c = 0; c < kColumns; ++c) word[c] = 0;
      for (int64_t n = 0; n < smaller<int64_t>(4, width - 4 * w); ++n) {
        const float* row = from + (4 * w + n) * kColumns;
        for (int64_t c = 0; c < kColumns; ++c) {
          const uint32_t bits = quantised(row[c], steps[c], scales[c], squares[c]);
          sums[c] += int32_t(bits << 24) >> 24;
          word[c] |= bits << (8 * n);
        }
      }
      memcpy(to + w * kColumns, word, sizeof word);
    }
    for (int64_t c = 0; c < kColumns; ++c) {
      offset[start + c] = -128 * sums[c];
      scale[start + c] = scales[c];
      residual[start + c] = residual_norm(squares[c], y.statistics.inverse()[start + c]);
    }
  }
};

// The products of a row with adjacent columns, from the sums of their bytes.
inline void save_products(__m512i sums, const QuantisedRows& x, int64_t row, const QuantisedColumns& y, int64_t column, float* to) {
  const __m512i offset = _mm512_loadu_si512(y.offset.data() + column);
  const Vector<float> scale = load(y.scale.data() + column) * x.scale[row];
  save<float>(to, _mm512_cvtepi32_ps(_mm512_add_epi32(sums, offset)) * scale);
}

// A function of its own: inlined, its sums are spilt at every step, and it takes twice the time.
__attribute__((noinline)) void block_product(const QuantisedRows& x, int64_t block, const QuantisedColumns& y,
                                             int64_t column, float* products) {
  const uint32_t *a = x.copy.data() + block * x.words, *b = y.block(column);
  __m512i sums[kBlockRows][kBlockVectors];
  for (int m = 0; m < kBlockRows; ++m)
    for (int v = 0; v < kBlockVectors; ++v) sums[m][v] = _mm512_setzero_si512();
  for (int64_t w = 0; w < x.words; ++w) {
    __m512i columns[kBlockVectors];
    for (int v = 0; v < kBlockVectors; ++v)
      columns[v] = _mm512_loadu_si512(b + w * kBlockColumns<float> + v * kLanes<float>);
    for (int m = 0; m < kBlockRows; ++m) {
      const __m512i row = _mm512_set1_epi32(int(a[m * x.words + w]));
      for (int v = 0; v < kBlockVectors; ++v) sums[m][v] = _mm512_dpbusd_epi32(sums[m][v], row, columns[v]);
    }
  }
#pragma GCC unroll 6
  for (int m = 0; m < kBlockRows; ++m)
#pragma GCC unroll 4
    for (int v = 0; v < kBlockVectors; ++v)
      save_products(sums[m][v], x, block + m, y, column + v * kLanes<float>, products + m * kTileColumns + v * kLanes<float>);
}

#if HIERGEO_TILES

inline void tiled_product(const QuantisedRows& x, int64_t block, int64_t rows, const QuantisedColumns& y, int64_t column,
                          int64_t n, float* products) {
  constexpr int64_t panel = kBlockColumns<float>;
  alignas(64) int32_t sums[2 * kMostTileRows * kTileStep];
  const Tiles tiles(rows / 2);
  for (int64_t c = 0; c < n; c += kTileStep) {
    const uint32_t* columns = y.block((column + c) / panel * panel) + (column + c) % panel;
    tiled_sums(x.copy.data() + block * x.words, x.words, rows / 2, columns, panel, x.words, sums);
    for (int64_t i = 0; i < rows; ++i)
      for (int64_t v = 0; v < kTileStep; v += kLanes<float>)
        save_products(_mm512_load_si512(sums + i * kTileStep + v), x, block + i, y, column + c + v, products + i * kTileColumns + c + v);
  }
}

#endif

inline void tile_product(const QuantisedRows& x, int64_t block, int64_t rows, const QuantisedColumns& y, int64_t column,
                         int64_t n, float* products) {
#if HIERGEO_TILES
  if (x.tiled) return tiled_product(x, block, rows, y, column, n, products);
#endif
  for (int64_t c = 0; c < n; c += kBlockColumns<float>)
    for (int64_t i = 0; i < rows; i += kBlockRows)
      block_product(x, block + i, y, column + c, products + i * kTileColumns + c);
}

}  // namespace
}  // namespace hiergeo

#endif
