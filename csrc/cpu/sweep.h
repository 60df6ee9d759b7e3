// The one loop over pairs: tiles of six rows are multiplied, opened, evaluated by the triangle law and handed to a sink.
#pragma once

#include "side.h"

namespace hiergeo {
namespace {

constexpr int64_t kBlockBytes = 512 << 10;    // columns that all rows of a thread pass over stay in the second
constexpr int64_t kStretchBytes = 8 << 20;    // columns that are packed at once
constexpr int64_t kThinBytes = 1 << 20;       // rows that stay in the second-level cache

// Whole units of columns.
template <class T> inline int64_t stretch_of(int64_t width, int64_t total, int64_t bytes = kStretchBytes, int64_t unit = kTileColumns) {
  const int64_t columns = smaller(bytes / int64_t(sizeof(T)) / larger<int64_t>(width, 1), 64 * kTileColumns);
  return smaller(larger(columns / unit * unit, unit), rounded_up(total, unit));
}

// Where rows are so few that they are read again at little cost, no more columns are packed at once than stay in the second-level
// caches of all threads.
template <class T> inline int64_t packed_at_once(int64_t rows, int64_t width) {
  const bool thin = rows * width * int64_t(sizeof(T)) <= kThinBytes && !are_few(rows);
  return thin ? smaller(kStretchBytes, kBlockBytes * threads()) : kStretchBytes;
}

struct TileShape {
  int64_t rows, columns;  // whole register blocks, at most kTileColumns
};

// Of our own product: as many columns as fit the second-level cache. Torch's packs its operands itself and wants more rows.
template <class T> inline TileShape tile_of(Product product, int64_t width) {
  if (product == Product::torch) return {40 * kBlockRows, kTileColumns};
  int64_t columns = kBlockBytes / int64_t(sizeof(T)) / larger<int64_t>(width, 1);
  columns = columns / kBlockColumns<T> * kBlockColumns<T>;
  return {kBlockRows, smaller(larger<int64_t>(columns, kBlockColumns<T>), kTileColumns)};
}

// Where 1 - cos of the product falls below this share of (|d_x|^2 + |d_y|^2)/2, which is 1 where nothing is centred, or 1 + cos
// below this, the pair is repaired from the original rows.
template <class T> constexpr T kNear = sizeof(T) == sizeof(float) ? T(0x1p-4) : T(0x1p-20);

// For K < 0, positions are compared as seen from the end of the ray where x is beyond tanh(a) = 1/2.
template <class T> HIERGEO_FN bool anchored_at_end(const Radial<T>& x, T scale) { return scale * x.sine >= T(0.5); }

// The opening of row i of x with a column, from the rows themselves. `scratch` has room for two.
template <class T>
inline WideOpening opening_of(const RowSide<T>& x, int64_t i, const ColumnSide<T>& y, int64_t column, T* scratch) {
  if (are_exact(x.points, y.points)) return exact_opening(x.points, i, y.points, y.source(column), scratch);
  const T* other = row_of(y.points.direction, y.source(column), scratch);
  return wide_opening(x.exact_row(i, scratch + x.width), x.statistics.exact_inverse()[i], other,
                      y.exact_inverse(column, other), x.width);
}

// The angles of one row of a tile. Where the scale of a row is NaN, so are its openings.
template <class T> struct RowOpening {
  alignas(64) T versine[kTileColumns], coversine[kTileColumns];
  bool some_near;  // whether any pair is

  // From the products of row i of x with n columns of y; pairs too near to a common line are taken from the rows again.
  // `scratch` has room for two rows.
  void open(const RowSide<T>& x, int64_t i, const ColumnSide<T>& y, int64_t column, const T* products, int64_t n,
            T* scratch) {
    const T inverse_x = x.statistics.inverse()[i], *inverse_y = y.statistics.inverse() + column;
    const T half_x = x.statistics.half()[i], *half_y = y.statistics.half() + column;
    int found = 0;
    for (int64_t j = 0; j < n; ++j) {
      T halves = half_x + half_y[j];
      versine[j] = halves - products[j] * (inverse_x * inverse_y[j]);
      coversine[j] = 2 - versine[j];
      found |= (versine[j] < kNear<T> * halves) | (coversine[j] < kNear<T>);
    }
    some_near = found != 0;
    if (!some_near) return;
    for (int64_t j = 0; j < smaller(n, y.count - column); ++j)
      if (versine[j] < kNear<T> * (half_x + half_y[j]) || coversine[j] < kNear<T>) repair(x, i, y, column, j, scratch);
  }

  bool near(int64_t j) const { return versine[j] < kNear<T> || coversine[j] < kNear<T>; }

 private:
  void repair(const RowSide<T>& x, int64_t i, const ColumnSide<T>& y, int64_t column, int64_t j, T* scratch) {
    const WideOpening wide = opening_of(x, i, y, column + j, scratch);
    versine[j] = T(wide.versine);
    coversine[j] = T(wide.coversine);
  }
};

// products[i][j] = <row block + i, column + j> for whole register blocks of rows and columns, rows kTileColumns apart.
template <class T>
inline void tile_product(const RowSide<T>& x, int64_t block, int64_t rows, const ColumnSide<T>& y, int64_t column, int64_t n,
                         T* products) {
  if (y.few) {
    for (int64_t i = block; i < smaller(block + rows, x.count); ++i)
      memcpy(products + (i - block) * kTileColumns, y.products(i, column), size_t(n) * sizeof(T));
    return;
  }
  panel_product(y.product, x.row(block), x.width, 1, rows, y.panels(column, n), x.width, products, kTileColumns, false);
}

// Runs `visit(block, rows, column, n)` for the tiles of rows [first, last) with `columns` columns, whole register blocks of
// both, in ascending order of columns for each row.
template <class T, class Visit>
inline void each_tile(TileShape tile, int64_t first, int64_t last, int64_t columns, Visit&& visit) {
  const int64_t total = rounded_up(columns, kBlockColumns<T>);
  for (int64_t column = 0; column < total; column += tile.columns)
    for (int64_t block = first; block < last; block += tile.rows)
      visit(block, smaller(tile.rows, last - block), column, smaller(tile.columns, total - column));
}

// A row of x against n columns: what an evaluation sees.
template <class T> struct RowOfPairs {
  Radial<T> point;
  T number, scale, curvature;
  const Statistics<T>& columns;
  int64_t column, n;
  const RowOpening<T>& opening;

  template <int SIGN> HIERGEO_FN Triangle<T, SIGN> triangle(int64_t j, bool near_end) const {
    return {point, columns.at(column + j), {opening.versine[j], opening.coversine[j]}, near_end, scale, curvature};
  }
};

// One number for each pair of the row.
template <class T> using Evaluation = void (*)(const RowOfPairs<T>& row, T* values);

// What becomes of the values of a row. A row is seen by one thread at a time and its columns in ascending order, so no
// sink needs a lock and ties go to the lower index.
template <class T> struct Sink {
  virtual void row(int64_t i, int64_t first_column, const T* values, int64_t n) = 0;

 protected:
  ~Sink() = default;
};

// The points x in each factor, and the points y of a stretch.
template <class T> struct FactorRows {
  Series<Centre<T>> centre;
  Series<RowSide<T>> side;
  int64_t count, padded, width = 0, widest = 0;  // `width` of all factors, `widest` of one

  FactorRows(const Factors& factors, ParallelFor parallel) : centre(factors.count), side(factors.count), count(factors[0].x.direction.count) {
    for (int64_t f = 0; f < factors.count; ++f) {
      centre.add(factors[f].x.direction, factors[f].y.direction, !are_few(count));
      side.add(factors[f].x, factors[f].curvature, parallel, centre[f].ray());
      width += side[f].width;
      widest = larger(widest, side[f].width);
    }
    padded = side[0].padded;
  }
  const RowSide<T>& operator[](int64_t f) const { return side[f]; }
};

template <class T> struct FactorColumns {
  Factors factors;
  Series<ColumnSide<T>> side;

  // To be multiplied with the rows x.
  FactorColumns(const Factors& of, const FactorRows<T>& x, int64_t capacity, const int64_t* order = nullptr)
      : factors(of), side(of.count) {
    for (int64_t f = 0; f < of.count; ++f)
      side.add(of[f].y, capacity, of[f].product, order, are_few(x.count) ? &x[f] : nullptr, x.centre[f].ray());
  }
  void load(int64_t from, int64_t columns, ParallelFor parallel) {
    for (int64_t f = 0; f < factors.count; ++f) side[f].load(from, columns, factors[f].curvature, parallel);
  }
  Product product() const { return side[0].product; }
  int64_t count() const { return side[0].count; }
  ColumnSide<T>& operator[](int64_t f) { return side[f]; }
  const ColumnSide<T>& operator[](int64_t f) const { return side[f]; }
};

// How the values of factors become one.
enum class Norm { l1, l2, least };

inline Norm norm_of(Quantity quantity) {
  return quantity == Quantity::distance ? Norm::l2 : quantity == Quantity::distance_l1 ? Norm::l1 : Norm::least;
}

// Combines the values of a row of pairs in each factor, lengths in double so that squares neither overflow nor vanish.
template <class T> class Combination {
 public:
  explicit Combination(Norm norm) : norm_(norm) {}

  void take(bool first, const T* values, int64_t n) {
    const Norm norm = norm_;
    if (first)
      for (int64_t j = 0; j < n; ++j) sums_[j] = norm == Norm::least ? double(INFINITY) : 0;
    if (norm == Norm::least)
      for (int64_t j = 0; j < n; ++j) {
        double value = values[j];
        sums_[j] = value < sums_[j] ? value : value == value ? sums_[j] : value;
      }
    else if (norm == Norm::l2)
      for (int64_t j = 0; j < n; ++j) sums_[j] += double(values[j]) * values[j];
    else
      for (int64_t j = 0; j < n; ++j) sums_[j] += values[j];
  }
  void give(T* values, int64_t n) const {
    if (norm_ == Norm::l2)
      for (int64_t j = 0; j < n; ++j) values[j] = T(square_root(sums_[j]));
    else
      for (int64_t j = 0; j < n; ++j) values[j] = T(sums_[j]);
  }

 private:
  Norm norm_;
  alignas(64) double sums_[kTileColumns];
};

// Evaluates every pair, in each factor by `evaluate[f]`, and gives the values to the sink, row by row. So many rows, whole register
// blocks, are seen by one thread in ascending order.
template <class T>
inline void sweep(const Factors& factors, const Evaluation<T>* evaluate, Norm norm, Sink<T>& sink, ParallelFor parallel,
                  int64_t together = 4 * kBlockRows) {
  const FactorRows<T> x(factors, parallel);
  const TileShape tile = tile_of<T>(factors[0].product, x.width);
  const int64_t total = factors[0].y.direction.count;
  // Whole tiles: sums must not depend on how many are packed at once.
  const int64_t stretch = stretch_of<T>(x.width, total, packed_at_once<T>(x.count, x.width), tile.columns);
  FactorColumns<T> y(factors, x, stretch);
  const int64_t layer = tile.rows * kTileColumns;
  for (int64_t begin = 0; begin < total; begin += stretch) {
    y.load(begin, smaller(stretch, total - begin), parallel);
    auto body = [&](int64_t first, int64_t last) {
      alignas(64) T values[kTileColumns];
      RowOpening<T> opening;
      Combination<T> combination(norm);
      Buffer<T> products(factors.count * layer), scratch(2 * x.widest);
      auto visit = [&](int64_t block, int64_t rows, int64_t column, int64_t n) {
        for (int64_t f = 0; f < factors.count; ++f)
          tile_product(x[f], block, rows, y[f], column, n, products.data() + f * layer);
        for (int64_t i = block; i < smaller(block + rows, x.count); ++i) {
          for (int64_t f = 0; f < factors.count; ++f) {
            const T curvature = T(factors[f].curvature), scale = T(sqrt(fabs(factors[f].curvature)));
            opening.open(x[f], i, y[f], column, products.data() + f * layer + (i - block) * kTileColumns, n, scratch.data());
            evaluate[f]({x[f].statistics.at(i), x[f].statistics.number()[i], scale, curvature, y[f].statistics, column, n,
                         opening},
                        values);
            if (factors.count > 1) combination.take(f == 0, values, n);
          }
          if (factors.count > 1) combination.give(values, n);
          sink.row(i, begin + column, values, smaller(n, y.count() - column));
        }
      };
      each_tile<T>(tile, first * together, smaller(last * together, x.padded), y.count(), visit);
    };
    for_each(rounded_up(x.padded, together) / together, 1, body, parallel);
  }
}

// The same for a space that is no product.
template <class T> inline void sweep(const Pairs& pairs, Evaluation<T> evaluate, Sink<T>& sink, ParallelFor parallel) {
  sweep<T>({&pairs, 1}, &evaluate, Norm::least, sink, parallel);
}

}  // namespace
}  // namespace hiergeo
