// Few rows against many columns: products taken from the columns where they lie, since to copy them would cost more.
//
// Numbers of 16 bits are widened in registers. The squares of the columns are summed on the way, in T; their relative error is
// below width + 16 units of rounding like that of the products.
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

// Whether so few rows are multiplied with columns where they lie.
inline bool are_few(int64_t rows) { return rows > 0 && rows <= kDirectRows; }

// Numbers of a column as they lie in memory, loaded a vector of T at a time.
template <class T> struct AsTheyAre {
  const T* data;

  HIERGEO_FN Vector<T> vector(int64_t k) const { return load(data + k); }
  HIERGEO_FN T number(int64_t k) const { return data[k]; }
};

struct FromBfloat16 {
  const uint16_t* data;

  HIERGEO_FN Vector<float> vector(int64_t k) const {
    typedef uint16_t Halves __attribute__((vector_size(HIERGEO_VECTOR_BYTES / 2)));
    typedef uint32_t Words __attribute__((vector_size(HIERGEO_VECTOR_BYTES)));
    Halves bits;
    memcpy(&bits, data + k, sizeof bits);
    return Vector<float>(__builtin_convertvector(bits, Words) << 16);
  }
  HIERGEO_FN float number(int64_t k) const { return bfloat16_number(data[k]); }
};

#if defined(__F16C__)
struct FromFloat16 {
  const uint16_t* data;

  HIERGEO_FN Vector<float> vector(int64_t k) const { return float16_numbers(data + k); }
  HIERGEO_FN float number(int64_t k) const { return float16_number(data[k]); }
};
#endif

template <class T> HIERGEO_FN T lane_sum(Vector<T> v) {
  T part[kLanes<T>];
  save(part, v);
  for (int half = kLanes<T> / 2; half > 0; half /= 2)
    for (int lane = 0; lane < half; ++lane) part[lane] += part[lane + half];
  return part[0];
}

// Four columns at a time; where they lie, and those that come next.
template <class Column> struct DirectColumns {
  Column now[kDirectColumns], next[kDirectColumns];
};

// products[r * stride + c] = <row r of x, column c> for ROWS rows, `width` numbers apart. The FIRST rows also have squares[c]
// of each column summed, and memory asked for the next ones.
template <int ROWS, bool FIRST, class T, class Column>
inline void direct_block(const T* x, int64_t width, const DirectColumns<Column>& columns, T* products, int64_t stride,
                         T* squares) {
  constexpr int lanes = kLanes<T>;
  Vector<T> sums[ROWS][kDirectColumns] = {}, own[kDirectColumns] = {};
  int64_t k = 0;
  for (; k + lanes <= width; k += lanes)
    for (int c = 0; c < kDirectColumns; ++c) {
      if (FIRST) __builtin_prefetch(columns.next[c].data + k);
      const Vector<T> column = columns.now[c].vector(k);
      for (int r = 0; r < ROWS; ++r) sums[r][c] += load(x + r * width + k) * column;
      if (FIRST) own[c] += column * column;
    }
  for (int c = 0; c < kDirectColumns; ++c) {
    for (int r = 0; r < ROWS; ++r) products[r * stride + c] = lane_sum<T>(sums[r][c]);
    if (FIRST) squares[c] = lane_sum<T>(own[c]);
    for (int64_t rest = k; rest < width; ++rest) {
      const T number = columns.now[c].number(rest);
      for (int r = 0; r < ROWS; ++r) products[r * stride + c] += x[r * width + rest] * number;
      if (FIRST) squares[c] += number * number;
    }
  }
}

// The same for any number of rows.
template <class T, class Column>
inline void direct_products(const T* x, int64_t rows, int64_t width, const DirectColumns<Column>& columns, T* products,
                            int64_t stride, T* squares) {
  direct_block<1, true>(x, width, columns, products, stride, squares);
  int64_t r = 1;
  for (; r + kDirectBlock <= rows; r += kDirectBlock)
    direct_block<kDirectBlock, false>(x + r * width, width, columns, products + r * stride, stride, squares);
  for (; r < rows; ++r) direct_block<1, false>(x + r * width, width, columns, products + r * stride, stride, squares);
}

// The same for columns of a matrix that may lie anywhere in it: four now, the next four soon.
template <class T>
inline void direct_products(const T* x, int64_t rows, const Rows& matrix, const int64_t chosen[2 * kDirectColumns],
                            T* products, int64_t stride, T* squares) {
  const int64_t width = matrix.width;
  auto multiply = [&](auto from) {
    DirectColumns<decltype(from)> columns;
    for (int64_t c = 0; c < kDirectColumns; ++c) {
      columns.now[c].data = from.data + chosen[c] * matrix.stride;
      columns.next[c].data = from.data + chosen[c + kDirectColumns] * matrix.stride;
    }
    direct_products(x, rows, width, columns, products, stride, squares);
  };
  if (matrix.dtype == kDtype<T>) return multiply(AsTheyAre<T>{static_cast<const T*>(matrix.data)});
  if constexpr (sizeof(T) == sizeof(float)) {
    const uint16_t* bits = static_cast<const uint16_t*>(matrix.data);
    if (matrix.dtype == Dtype::bfloat16) return multiply(FromBfloat16{bits});
#if defined(__F16C__)
    return multiply(FromFloat16{bits});
#endif
  }
  Buffer<T> wide(kDirectColumns * width);
  DirectColumns<AsTheyAre<T>> columns;
  for (int64_t c = 0; c < kDirectColumns; ++c)
    columns.now[c].data = columns.next[c].data = row_of(matrix, chosen[c], wide.data() + c * width);
  direct_products(x, rows, width, columns, products, stride, squares);
}

}  // namespace
}  // namespace hiergeo
