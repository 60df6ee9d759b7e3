// The first stage of a search: products with a proven bound on their error, so that what they exclude is excluded.
//
// With u~ the number that is multiplied in place of u, |cos(u~, v~) - cos(u, v)| <= r_u + r_v + r_u r_v + gamma, where r is
// |u - u~| / |u| (0 where u~ = u) and gamma bounds the rounding of the sum: (D + 16) units of the last place of 1.
#pragma once

#include "narrow.h"

namespace hiergeo {
namespace {

// Work for a screen gets the row, the first column, products, their number, the error of the row and those of the columns.
template <class T> class Screen {
 public:
  Screen(const RowSide<T>& x, const ColumnSide<T>& y, int64_t capacity, ParallelFor)
      : x_(x), y_(y), rounding_(T(x.width + 16) * Limits<T>::epsilon / 2 * T(1.01)), none_(capacity) {
    for (int64_t j = 0; j < capacity; ++j) none_[j] = T(0);
  }

  void load(ParallelFor) {}
  void widen() {}

  template <class Work> void each_row(int64_t first, int64_t last, Work&& work) const {
    each_row_of_tiles<T>(x_, y_, first, last, [&](int64_t i, int64_t column, const T* products, int64_t n) {
      work(i, column, products, n, rounding_, none_.data() + column);
    });
  }

 private:
  const RowSide<T>& x_;
  const ColumnSide<T>& y_;
  T rounding_;
  Buffer<T> none_;
};

#if defined(__AVX512BF16__)

// Where the instruction is, unless HIERGEO_SCREEN=float32. It reads the panels of our own product.
inline bool narrow_wanted() {
  const char* screen = getenv("HIERGEO_SCREEN");
  return __builtin_cpu_supports("avx512bf16") && !(screen && !strcmp(screen, "float32"));
}

template <> class Screen<float> {
 public:
  Screen(const RowSide<float>& x, const ColumnSide<float>& y, int64_t capacity, ParallelFor parallel)
      : x_(x), y_(y), narrow_(y.product == Product::own && narrow_wanted()), rounding_(float(x.width + 16) * 0x1.03p-24f),
        narrow_x_(x, parallel), narrow_y_(capacity, x.width), none_(capacity) {
    for (int64_t j = 0; j < capacity; ++j) none_[j] = 0;
  }

  // Takes up the columns that `y` holds now.
  void load(ParallelFor parallel) {
    if (narrow_) narrow_y_.load(y_, parallel);
  }

  // From here on products are float32: for points so close together that bfloat16 excludes too little.
  void widen() { narrow_ = false; }

  template <class Work> void each_row(int64_t first, int64_t last, Work&& work) const {
    if (narrow_)
      each_row_of_tiles<float>(narrow_x_, narrow_y_, first, last,
                               [&](int64_t i, int64_t column, const float* products, int64_t n) {
        work(i, column, products, n, rounding_ + narrow_x_.residual[i], narrow_y_.residual.data() + column);
      });
    else
      each_row_of_tiles<float>(x_, y_, first, last, [&](int64_t i, int64_t column, const float* products, int64_t n) {
        work(i, column, products, n, rounding_, none_.data() + column);
      });
  }

 private:
  const RowSide<float>& x_;
  const ColumnSide<float>& y_;
  bool narrow_;
  float rounding_;
  NarrowRows narrow_x_;
  NarrowColumns narrow_y_;
  Buffer<float> none_;
};

#endif

// More exact scores than this share of the pairs and the bfloat16 stage no longer pays.
constexpr int64_t kWidenAbove = 32;

// A stretch of columns at a time: sweeps the screen over all rows until every column has been seen.
// `prepare(begin, count)` hears of every stretch; `work` is called as above, with scratch for a row, on several threads, and
// returns how many pairs it scored exactly.
template <class T, class Prepare, class Work>
inline void search(const RowSide<T>& x, ColumnSide<T>& y, int64_t total, int64_t stretch, double curvature,
                   Prepare prepare, Work work, ParallelFor parallel) {
  Screen<T> screen(x, y, rounded_up(stretch, kTileColumns), parallel);
  for (int64_t begin = 0; begin < total; begin += stretch) {
    y.load(begin, smaller(stretch, total - begin), curvature, parallel);
    screen.load(parallel);
    prepare(begin, y.count);
    int64_t scored = 0;
    auto body = [&](int64_t first, int64_t last) {
      int64_t mine = 0;
      Buffer<T> scratch(x.width);
      screen.each_row(first * kBlockRows, last * kBlockRows,
                      [&](int64_t i, int64_t column, const T* products, int64_t n, T row_error, const T* column_error) {
        mine += work(i, column, products, n, row_error, column_error, scratch.data());
      });
      __atomic_fetch_add(&scored, mine, __ATOMIC_RELAXED);
    };
    for_each(x.padded / kBlockRows, 4, body, parallel);
    if (scored * kWidenAbove > x.count * y.count) screen.widen();
  }
}

}  // namespace
}  // namespace hiergeo
