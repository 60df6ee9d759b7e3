// The best cosine within every radius threshold: candidates in the order of the threshold that admits them, one pass.
#pragma once

#include "screen.h"

namespace hiergeo {
namespace {

// What one query has found so far: the best candidate, and how many thresholds are settled.
template <class T> struct Rung {
  T cosine;
  int64_t candidate, settled;
};

template <class T>
inline void ladder(Rows queries, Rows candidates, const int64_t* order, const int64_t* ends, int64_t thresholds,
                   int64_t* indices, T* cosines, Product product, ParallelFor parallel) {
  const RowSide<T> x({queries, nullptr, nullptr}, 0, parallel);
  const int64_t total = thresholds ? ends[thresholds - 1] : 0, stretch = stretch_of<T>(x.width, total);
  ColumnSide<T> y({candidates, nullptr, nullptr}, stretch, product, order);
  Buffer<Rung<T>> rungs(x.count);
  for (int64_t i = 0; i < x.count; ++i) rungs[i] = {T(-INFINITY), -1, 0};

  auto settle = [&](int64_t i, Rung<T>& rung, int64_t reached) {
    for (; rung.settled < thresholds && ends[rung.settled] <= reached; ++rung.settled) {
      indices[i * thresholds + rung.settled] = rung.candidate;
      cosines[i * thresholds + rung.settled] = rung.candidate < 0 ? T(NAN) : rung.cosine;
    }
  };
  auto exact_cosine = [&](int64_t i, int64_t column, T* scratch) {
    const T* other = row_of(candidates, y.source(column), scratch);
    double inverse = x.statistics.exact_inverse()[i] * y.statistics.exact_inverse()[column];
    return T(wide_dot(x.row(i), other, x.width) * inverse);
  };
  auto work = [&](int64_t i, int64_t tile, const T* products, int64_t n, T row_error, const T* column_error, T* scratch) {
    alignas(64) T reach[kTileColumns];
    Rung<T> rung = rungs[i];
    const T inverse_x = x.statistics.inverse()[i], *inverse_y = y.statistics.inverse() + tile, best = rung.cosine;
    int promising = 0;
    for (int64_t j = 0; j < n; ++j) {
      reach[j] = products[j] * (inverse_x * inverse_y[j]) + (row_error + column_error[j]);
      promising |= reach[j] >= best;
    }
    if (!promising) return int64_t(0);
    int64_t scored = 0;
    for (int64_t j = 0; j < smaller(n, y.count - tile); ++j) {
      if (!(reach[j] >= rung.cosine)) continue;
      const T cosine = exact_cosine(i, tile + j, scratch);
      const int64_t candidate = y.source(tile + j);
      ++scored;
      if (cosine > rung.cosine || (cosine == rung.cosine && candidate < rung.candidate)) {
        settle(i, rung, y.begin + tile + j);
        rung.cosine = cosine;
        rung.candidate = candidate;
      }
    }
    rungs[i] = rung;
    return scored;
  };
  search(x, y, total, stretch, 0, [](int64_t, int64_t) {}, work, parallel);
  for (int64_t i = 0; i < x.count; ++i) settle(i, rungs[i], total);
}

}  // namespace
}  // namespace hiergeo
