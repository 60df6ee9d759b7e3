// The first stage of a search: products with a proven bound on their error, so that what they exclude is excluded.
//
// With d~ the vector that is multiplied in place of d, which is the unit ray or its distance from a common centre (centre.h), and
// e = d - d~: |<d~_x, d~_y> - <d_x, d_y>| <= |e_x| |d_y| + |e_y| (|d_x| + |e_x|), and rounding of the sum adds gamma |d_x| |d_y|, where
// gamma is (D + 16) units of the last place of 1, and half as much again where norms come from sums in T too, those of columns
// that few rows are multiplied with where they lie. So the error is at most by_span |d_y| + by_residual |e_y| + kFlat with
// by_span = |e_x| + gamma |d_x| and by_residual = |d_x| + |e_x|; kFlat is for the rounding of d and of the sum with the halves.
#pragma once

#include "narrow.h"
#include "quantised.h"

namespace hiergeo {
namespace {

template <class T> constexpr T kFlat = 16 * Limits<T>::epsilon;

// More exact scores than one in so many pairs and a cheap product no longer pays; than one in so many columns, a shadow.
// What a score takes longer than a pair whatever its width, in steps of the inner dimension.
constexpr int64_t kWidenAbove = 32, kLeaveAbove = 2, kScoreSteps = 1 << 14;

// What a row does to the error of its cosines: by the span of the column and by the residual of the column.
template <class T> struct RowError {
  T by_span, by_residual;
};

template <class T> inline T rounding_of(const RowSide<T>& x, const ColumnSide<T>& y) {
  return T(x.width + 16) * Limits<T>::epsilon / 2 * T(y.few ? 1.52 : 1.01);
}

template <class T> class Screen {
 public:
  Screen(const RowSide<T>& x, const ColumnSide<T>& y, int64_t capacity, ParallelFor)
      : x_(x), y_(y), rounding_(rounding_of(x, y)), none_(capacity) {
    for (int64_t j = 0; j < capacity; ++j) none_[j] = T(0);
  }

  void load(ParallelFor) {}
  void widen() {}
  int64_t widens_above(bool) const { return kWidenAbove; }
  TileShape tile(TileShape usual) const { return usual; }

  // The products of a tile, and what bounds the error of their cosines: numbers of the row and one for each column.
  void multiply(int64_t block, int64_t rows, int64_t column, int64_t n, T* products) const {
    tile_product(x_, block, rows, y_, column, n, products);
  }
  RowError<T> row_error(int64_t i) const {
    const T span = x_.statistics.span()[i];
    return {rounding_ * span, span};
  }
  const T* residual(int64_t column) const { return none_.data() + column; }

 private:
  const RowSide<T>& x_;
  const ColumnSide<T>& y_;
  T rounding_;
  Buffer<T> none_;
};

#if defined(__AVX512BF16__) && defined(__AVX512VNNI__)

// What is multiplied, the cheapest first.
enum class Precision { int8, bfloat16, float32 };

// The cheapest precision with instructions on this machine, or the one that HIERGEO_SCREEN names.
inline Precision cheapest_precision(int64_t width) {
  const char* named = getenv("HIERGEO_SCREEN");
  auto may_be = [&](const char* name) { return !(named && *named) || !strcmp(named, name); };
  if (are_bytes_multiplied(width)) return Precision::int8;
  return may_be("bfloat16") && __builtin_cpu_supports("avx512bf16") ? Precision::bfloat16 : Precision::float32;
}

template <> class Screen<float> {
 public:
  // The cheap products read the panels of our own product.
  Screen(const RowSide<float>& x, const ColumnSide<float>& y, int64_t capacity, ParallelFor parallel)
      : x_(x), y_(y), capacity_(capacity), rounding_(rounding_of(x, y)), quantised_x_(1), narrow_x_(1), quantised_y_(1),
        narrow_y_(1), none_(capacity), parallel_(parallel) {
    for (int64_t j = 0; j < capacity; ++j) none_[j] = 0;
    begin(y.product == Product::own && !y.few ? cheapest_precision(x.width) : Precision::float32);
  }

  // Loads the columns that `y` holds now.
  void load(ParallelFor parallel) {
    if (precision_ == Precision::int8) quantised_y_[0].load(y_, parallel);
    if (precision_ == Precision::bfloat16) narrow_y_[0].load(y_, parallel);
  }

  // From here on products are more precise: for points so close together that too little is excluded.
  void widen() { begin(is_followed_by_bfloat16() ? Precision::bfloat16 : Precision::float32); }
  int64_t widens_above(bool steady) const {
    if (steady) return kScoreSteps / larger<int64_t>(x_.width, 1) + 16;
    return precision_ == Precision::int8 && !is_followed_by_bfloat16() ? 8 : kWidenAbove;
  }
  TileShape tile(TileShape usual) const {
    const bool tiled = precision_ == Precision::int8 && quantised_x_[0].tiled;
    return tiled ? TileShape{kTiledRows, kTileColumns} : usual;
  }

  void multiply(int64_t block, int64_t rows, int64_t column, int64_t n, float* products) const {
    if (precision_ == Precision::int8)
      tile_product(quantised_x_[0], block, rows, quantised_y_[0], column, n, products);
    else if (precision_ == Precision::bfloat16)
      tile_product(narrow_x_[0], block, rows, narrow_y_[0], column, n, products);
    else
      tile_product(x_, block, rows, y_, column, n, products);
  }
  RowError<float> row_error(int64_t i) const {
    const float span = x_.statistics.span()[i], residual = residual_of_row(i);
    return {residual + rounding_ * span, span + residual};
  }
  const float* residual(int64_t column) const {
    if (y_.shadow.wanted()) return y_.shadow.residuals(y_.begin + column);
    return (precision_ == Precision::int8       ? quantised_y_[0].residual
            : precision_ == Precision::bfloat16 ? narrow_y_[0].residual
                                                : none_)
               .data() +
           column;
  }

 private:
  // Where the processor multiplies twice as many of them as float32.
  bool is_followed_by_bfloat16() const {
    return precision_ == Precision::int8 && __builtin_cpu_supports("avx512bf16") && !__builtin_cpu_is("intel");
  }
  void begin(Precision precision) {
    precision_ = precision;
    if (precision == Precision::int8) {
      quantised_x_.add(x_, parallel_);
      quantised_y_.add(capacity_, x_.width);
    } else if (precision == Precision::bfloat16) {
      narrow_x_.add(x_, parallel_);
      narrow_y_.add(capacity_, x_.width);
    }
  }
  float residual_of_row(int64_t i) const {
    if (y_.shadow.wanted()) return y_.shadow.residual(i);
    return precision_ == Precision::int8       ? quantised_x_[0].residual[i]
           : precision_ == Precision::bfloat16 ? narrow_x_[0].residual[i]
                                               : 0;
  }

  const RowSide<float>& x_;
  const ColumnSide<float>& y_;
  Precision precision_;
  int64_t capacity_;
  float rounding_;
  Series<QuantisedRows> quantised_x_;
  Series<NarrowRows> narrow_x_;
  Series<QuantisedColumns> quantised_y_;
  Series<NarrowColumns> narrow_y_;
  Buffer<float> none_;
  ParallelFor parallel_;
};

#endif

// The cosines of row i with n columns, known up to `error`, from their products.
template <class T>
inline void screened_cosines(const Screen<T>& screen, const RowSide<T>& x, int64_t i, const ColumnSide<T>& y, int64_t column,
                             int64_t n, const T* products, T* cosine, T* error) {
  const T inverse_x = x.statistics.inverse()[i], *inverse_y = y.statistics.inverse() + column;
  const T rest_x = 1 - x.statistics.half()[i], *half_y = y.statistics.half() + column;
  const T *span = y.statistics.span() + column, *residual = screen.residual(column);
  const RowError<T> of_row = screen.row_error(i);
  HIERGEO_INDEPENDENT
  for (int64_t j = 0; j < n; ++j) {
    cosine[j] = (rest_x - half_y[j]) + products[j] * (inverse_x * inverse_y[j]);
    error[j] = of_row.by_span * span[j] + (of_row.by_residual * residual[j] + kFlat<T>);
  }
}

// The points of a search with their screens, a stretch of columns at a time.
template <class T> class Screened {
 public:
  const FactorRows<T> x;
  FactorColumns<T> y;

  // `total` columns of y, those of `order` if there is one.
  Screened(const Factors& factors, int64_t total, const int64_t* order, ParallelFor parallel)
      : x(factors, parallel), y(factors, x, stretch_of<T>(x.width, total), order), total_(total),
        stretch_(stretch_of<T>(x.width, total)), screens_(factors.count), parallel_(parallel) {
    for (int64_t f = 0; f < factors.count; ++f) screens_.add(x[f], y[f], rounded_up(stretch_, kTileColumns), parallel);
  }

  int64_t stretch() const { return stretch_; }
  const Screen<T>& screen(int64_t f) const { return screens_[f]; }

  // `prepare(begin, count)` hears of every stretch; `work` gets the row, the first column of a tile and how many there are, the
  // products of the first factor and how far those of the next lie behind them, and scratch for two rows, on several
  // threads. It returns how many pairs it scored exactly. `steady`: those do not become fewer, as where bounds tighten.
  template <class Prepare, class Work> void run(Prepare prepare, Work work, bool steady) {
    const int64_t factors = screens_.size();
    for (int64_t begin = 0; begin < total_; begin += stretch_) {
      const TileShape tile = screens_[0].tile(tile_of<T>(y.product(), x.width));
      const int64_t layer = tile.rows * kTileColumns;
      y.load(begin, smaller(stretch_, total_ - begin), parallel_);
      for (int64_t f = 0; f < factors; ++f) screens_[f].load(parallel_);
      prepare(begin, y.count());
      int64_t scored = 0;
      auto body = [&](int64_t first, int64_t last) {
        int64_t mine = 0;
        Buffer<T> scratch(2 * x.widest), products(factors * layer);
        auto visit = [&](int64_t block, int64_t rows, int64_t column, int64_t n) {
          for (int64_t f = 0; f < factors; ++f)
            screens_[f].multiply(block, rows, column, n, products.data() + f * layer);
          for (int64_t i = block; i < smaller(block + rows, x.count); ++i)
            mine += work(i, column, n, products.data() + (i - block) * kTileColumns, layer, scratch.data());
        };
        each_tile<T>(tile, first * kBlockRows, last * kBlockRows, y.count(), visit);
        __atomic_fetch_add(&scored, mine, __ATOMIC_RELAXED);
      };
      for_each(x.padded / kBlockRows, 4, body, parallel_);
      if (y[0].shadow.wanted() ? scored * kLeaveAbove > y.count() : scored * screens_[0].widens_above(steady) > x.count * y.count())
        for (int64_t f = 0; f < factors; ++f) {
          screens_[f].widen();
          y[f].leave_shadow();
        }
    }
  }

 private:
  int64_t total_, stretch_;
  Series<Screen<T>> screens_;
  ParallelFor parallel_;
};

}  // namespace
}  // namespace hiergeo
