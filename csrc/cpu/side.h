// One side of the pairs, made ready: copies of the directions, scaled exactly or centred, with their statistics.
#pragma once

#include "centre.h"
#include "direct.h"
#include "product.h"
#include "shadow.h"

namespace hiergeo {
namespace {

constexpr int64_t kTileColumns = 256;  // a tile and its values stay in the first-level cache

// The points x, one row after the other, and as many zero rows as fill the last register block.
template <class T> struct RowSide {
  Points points;
  const double* centre;
  int64_t count, width, padded;
  Statistics<T> statistics;
  Buffer<T> copy;

  RowSide(const Points& of, double curvature, ParallelFor parallel, const double* around = nullptr)
      : points(of), centre(around), count(of.direction.count), width(of.direction.width),
        padded(rounded_up(count, kBlockRows)), statistics(padded), copy(padded * width) {
    auto body = [&](int64_t begin, int64_t end) {
      Buffer<T> scratch(width);
      for (int64_t i = begin; i < end; ++i) fill(i, curvature, scratch.data());
    };
    for_each(padded, 64, body, parallel);
  }

  T* row(int64_t i) { return copy.data() + i * width; }
  const T* row(int64_t i) const { return copy.data() + i * width; }
  // Row i up to a power of two.
  const T* exact_row(int64_t i, T* scratch) const { return centre ? row_of(points.direction, i, scratch) : row(i); }

 private:
  void fill(int64_t i, double curvature, T* scratch) {
    T* to = row(i);
    if (i >= count) {
      statistics.set(i, statistics_of(T(), 0, 0), 0, 0, 0);
      for (int64_t k = 0; k < width; ++k) to[k] = T(0);
      return;
    }
    const T* from = row_of(points.direction, i, scratch);
    Scaling scaling = scaling_of(points, i, from);
    const double unit = scaling.inverse * scaling.factor;
    describe(points, i, curvature, scaling, centre ? unit : scaling.inverse, statistics, i);
    if (centre) {
      centred(from, unit, centre, width, to);
      return statistics.set_centred(i, squared_norm(to, width));
    }
    T factor = T(scaling.factor);
    for (int64_t k = 0; k < width; ++k) to[k] = from[k] * factor;
  }
};

// Whether pairs of these points can be measured on what their directions were rounded from.
inline bool are_exact(const Points& x, const Points& y) { return x.exact.rows.data && y.exact.rows.data; }

template <class T> inline Offset<T> exact_of(const Points& points, int64_t i, T* scratch) {
  return {row_of(points.exact.rows, i, scratch), points.exact.origin};
}
inline double exact_inverse_of(const Points& points, int64_t i) { return points.radius[i] == 0 ? 0 : 1 / points.radius[i]; }

// 1 - cos and 1 + cos of the angle between points i of x and j of y there. `scratch` has room for two rows.
template <class T>
inline WideOpening exact_opening(const Points& x, int64_t i, const Points& y, int64_t j, T* scratch) {
  const int64_t width = x.exact.rows.width;
  return wide_opening(exact_of(x, i, scratch), exact_inverse_of(x, i), exact_of(y, j, scratch + width),
                      exact_inverse_of(y, j), width);
}

// Four rows become four columns, each times its factor.
template <class T>
inline void transpose_four(const T* const from[4], const T factors[4], int64_t steps, T* to, int64_t to_step) {
  int64_t k = 0;
#if defined(__has_builtin) && __has_builtin(__builtin_shufflevector)
  typedef T Four __attribute__((vector_size(4 * sizeof(T))));
  for (; k + 4 <= steps; k += 4) {
    Four row[4];
    for (int n = 0; n < 4; ++n) {
      memcpy(&row[n], from[n] + k, sizeof row[n]);
      row[n] *= factors[n];
    }
    Four a = __builtin_shufflevector(row[0], row[1], 0, 4, 1, 5), b = __builtin_shufflevector(row[0], row[1], 2, 6, 3, 7);
    Four c = __builtin_shufflevector(row[2], row[3], 0, 4, 1, 5), d = __builtin_shufflevector(row[2], row[3], 2, 6, 3, 7);
    const Four column[4] = {__builtin_shufflevector(a, c, 0, 1, 4, 5), __builtin_shufflevector(a, c, 2, 3, 6, 7),
                            __builtin_shufflevector(b, d, 0, 1, 4, 5), __builtin_shufflevector(b, d, 2, 3, 6, 7)};
    for (int n = 0; n < 4; ++n) memcpy(to + (k + n) * to_step, &column[n], sizeof column[n]);
  }
#endif
  for (; k < steps; ++k)
    for (int n = 0; n < 4; ++n) to[k * to_step + n] = from[n][k] * factors[n];
}

// As many rows as are transposed together.
template <class T> constexpr int64_t kTransposed = 4;

template <class T>
inline void transpose(const T* const* from, const T* factors, int64_t steps, T* to, int64_t to_step) {
  transpose_four(from, factors, steps, to, to_step);
}

#if defined(__AVX512F__)
template <> constexpr int64_t kTransposed<float> = 16;

// Of every two rows D apart, the blocks of D numbers that lie across the diagonal change places.
template <int D> HIERGEO_FN void exchange(__m512 rows[16]) {
  alignas(64) int32_t first[16], second[16];
  for (int n = 0; n < 16; ++n) {
    first[n] = n & D ? 16 + n - D : n;
    second[n] = n & D ? 16 + n : n + D;
  }
  const __m512i low = _mm512_load_si512(first), high = _mm512_load_si512(second);
  for (int i = 0; i < 16; ++i) {
    if (i & D) continue;
    const __m512 a = rows[i], b = rows[i + D];
    rows[i] = _mm512_permutex2var_ps(a, low, b);
    rows[i + D] = _mm512_permutex2var_ps(a, high, b);
  }
}

// Sixteen rows become sixteen columns.
template <> inline void transpose(const float* const* from, const float* factors, int64_t steps, float* to, int64_t to_step) {
  if (steps < 16) {
    for (int64_t n = 0; n < 16; n += 4) transpose_four(from + n, factors + n, steps, to + n, to_step);
    return;
  }
  __m512 rows[16];
  for (int n = 0; n < 16; ++n) rows[n] = _mm512_mul_ps(_mm512_loadu_ps(from[n]), _mm512_set1_ps(factors[n]));
  exchange<1>(rows);
  exchange<2>(rows);
  exchange<4>(rows);
  exchange<8>(rows);
  for (int n = 0; n < 16; ++n) _mm512_storeu_ps(to + n * to_step, rows[n]);
}
#endif

// A stretch of the points y as panels of adjacent columns, [panel][k][column], zero columns up to a whole register block;
// in the order of `order` if there is one. For few rows there are their products with the columns instead, [row][column]; with
// the shadows of the columns where these are given and there is no order.
template <class T> struct ColumnSide {
  Points points;
  const int64_t* order;
  Product product;
  const RowSide<T>* few;  // those rows
  const double* centre;
  int64_t width, panel, stride, begin = 0, count = 0;
  Statistics<T> statistics;
  ShadowProduct<T> shadow;
  Buffer<T> copy;

  ColumnSide(const Points& of, int64_t capacity, Product by, const int64_t* in_order = nullptr,
             const RowSide<T>* few_rows = nullptr, const double* around = nullptr)
      : points(of), order(in_order), product(by), few(few_rows), centre(around), width(of.direction.width),
        panel(panel_columns<T>(by, kTileColumns)), stride(rounded_up(capacity, panel)), statistics(stride),
        shadow(order || points.number ? nullptr : few, points.shadow), copy(stride * (few ? few->count : width)) {}

  // 1 / |row| of a column in double, whose row is `row`.
  double exact_inverse(int64_t column, const T* row) const {
    if (!few) return statistics.exact_inverse()[column];
    const Scaling scaling = scaling_of(points, source(column), row);
    return scaling.inverse * scaling.factor;
  }
  // From here on the columns themselves are multiplied.
  void leave_shadow() {
    shadow.drop();
    statistics.look_at_own();
  }
  // The products of a row of the few with the columns from `column` on.
  const T* products(int64_t i, int64_t column) const { return copy.data() + i * stride + column; }

  // Columns from the first of a panel on.
  Panels<T> panels(int64_t column, int64_t columns) const {
    return {copy.data() + column * width, columns, panel, panel * width};
  }
  // Which point a column of the stretch is.
  int64_t source(int64_t column) const { return order ? order[begin + column] : begin + column; }

  // Columns [from, from + columns) of y.
  void load(int64_t from, int64_t columns, double curvature, ParallelFor parallel) {
    begin = from;
    count = columns;
    if (shadow.wanted()) return load_shadow(parallel);
    auto body = [&](int64_t first, int64_t last) {
      Buffer<T> scratch(larger(width, kTransposed<T> * kSteps));
      for (int64_t block = first; block < last; ++block) {
        const int64_t start = block * kBlockColumns<T>;
        if (!few) fill(start, curvature, scratch.data());
        for (int64_t c = 0; few && c < kBlockColumns<T>; c += kDirectColumns) multiply(start + c, curvature, scratch.data());
      }
    };
    for_each(rounded_up(columns, kBlockColumns<T>) / kBlockColumns<T>, 1, body, parallel);
  }

 private:
  void load_shadow(ParallelFor parallel) {
    if constexpr (sizeof(T) == sizeof(float)) statistics.look_at(points.shadow.numbers + begin, points.shadow.count);
    auto body = [&](int64_t first, int64_t last) {
      for (int64_t column = first; column < last; ++column) shadow.multiply(begin + column, copy.data() + column, stride);
    };
    for_each(count, 1024, body, parallel);
  }

  static constexpr int64_t kSteps = 16;  // of all columns of a block, transposed at a time

  void fill(int64_t start, double curvature, T* scratch) {
    constexpr int64_t columns = kBlockColumns<T>, steps = kSteps;
    static const T zeros[steps] = {};
    T factors[columns];
    double units[columns], squares[columns] = {};
    for (int64_t c = 0; c < columns; ++c) {
      if (start + c >= count) {
        statistics.set(start + c, statistics_of(T(), 0, 0), 0, 0, 0);
        factors[c] = T(0);
        continue;
      }
      int64_t i = source(start + c);
      const Scaling scaling = scaling_of(points, i, points.norm ? nullptr : row_of(points.direction, i, scratch));
      describe(points, i, curvature, scaling, scaling.inverse * scaling.factor, statistics, start + c);
      factors[c] = T(centre ? 1 : scaling.factor);
      units[c] = scaling.inverse * scaling.factor;
    }
    T* to = copy.data() + start / panel * panel * width + start % panel;
    for (int64_t k = 0; k < width; k += steps) {
      const int64_t last = smaller(width - k, steps);
      for (int64_t c = 0; c < columns; c += kTransposed<T>) {
        const T* from[kTransposed<T>];
        for (int64_t n = 0; n < kTransposed<T>; ++n) {
          T* own = scratch + n * steps;
          from[n] = start + c + n < count ? part_of(points.direction, source(start + c + n), k, last, own) : zeros;
          if (!centre || from[n] == zeros) continue;
          centred(from[n], units[c + n], centre + k, last, own);
          squares[c + n] += squared_norm(own, last);
          from[n] = own;
        }
        transpose(from, factors + c, last, to + k * panel + c, panel);
      }
    }
    for (int64_t c = 0; centre && c < smaller(columns, count - start); ++c) statistics.set_centred(start + c, squares[c]);
  }

  // Products of the few rows with columns from `start` on, which stay as they are: only those so long or short that products
  // would leave the range of T are scaled.
  void multiply(int64_t start, double curvature, T* scratch) {
    constexpr T longest = T(0x1p100);
    int64_t chosen[2 * kDirectColumns];
    T squares[kDirectColumns];
    for (int64_t c = 0; c < 2 * kDirectColumns; ++c) chosen[c] = source(smaller(start + c, count - 1));
    T* to = copy.data() + start;
    direct_products(few->row(0), few->count, points.direction, chosen, to, stride, squares);
    for (int64_t c = 0; c < kDirectColumns; ++c) {
      if (start + c >= count) {
        statistics.set(start + c, statistics_of(T(), 0, 0), 0, 0, 0);
        continue;
      }
      Scaling scaling = {1, 1 / sqrt(double(squares[c]))};
      if (!(squares[c] < longest && squares[c] > 1 / longest))
        scaling = multiply_scaled(chosen[c], to + c, scratch);
      else if (points.norm)
        scaling.inverse = 1 / points.norm[chosen[c]];
      describe(points, chosen[c], curvature, scaling, 0, statistics, start + c);
    }
  }
  Scaling multiply_scaled(int64_t i, T* products, T* scratch) {
    const T* row = row_of(points.direction, i, scratch);
    const Scaling scaling = scaling_of(points, i, row);
    for (int64_t k = 0; k < width; ++k) scratch[k] = T(row[k] * scaling.factor);
    for (int64_t r = 0; r < few->count; ++r) products[r * stride] = T(wide_dot(few->row(r), scratch, width));
    return scaling;
  }
};

}  // namespace
}  // namespace hiergeo
