// The best candidate within every radius threshold: candidates in the order of the threshold that admits them, one pass.
#pragma once

#include "search.h"

namespace hiergeo {
namespace {

// What every row has found so far, and what it found within each threshold; scores are to be small.
template <class T> class Rungs {
 public:
  struct Rung {
    T score;
    int64_t candidate, settled;  // the best so far, and how many thresholds are settled
  };

  Rungs(int64_t rows, const int64_t* ends, int64_t thresholds, int64_t* indices, T* scores)
      : rows_(rows), ends_(ends), thresholds_(thresholds), indices_(indices), scores_(scores), rungs_(rows) {
    for (int64_t i = 0; i < rows; ++i) rungs_[i] = {T(INFINITY), -1, 0};
  }

  int64_t total() const { return thresholds_ ? ends_[thresholds_ - 1] : 0; }
  T best(int64_t i) const { return rungs_[i].score; }

  // A candidate that comes at this place of the order.
  void offer(int64_t i, T score, int64_t candidate, int64_t place) {
    Rung& rung = rungs_[i];
    if (!(score < rung.score || (score == rung.score && candidate < rung.candidate))) return;
    settle(i, place);
    rung.score = score;
    rung.candidate = candidate;
  }
  void finish() {
    for (int64_t i = 0; i < rows_; ++i) settle(i, total());
  }

 private:
  void settle(int64_t i, int64_t reached) {
    Rung& rung = rungs_[i];
    for (; rung.settled < thresholds_ && ends_[rung.settled] <= reached; ++rung.settled) {
      indices_[i * thresholds_ + rung.settled] = rung.candidate;
      scores_[i * thresholds_ + rung.settled] = rung.candidate < 0 ? T(NAN) : rung.score;
    }
  }

  int64_t rows_;
  const int64_t* ends_;
  int64_t thresholds_;
  int64_t* indices_;
  T* scores_;
  Buffer<Rung> rungs_;
};

// By cosine.
template <class T>
inline void ladder(const Points& queries, const Points& candidates, const int64_t* order, const int64_t* ends,
                   int64_t thresholds, int64_t* indices, T* cosines, Product product, ParallelFor parallel) {
  const int64_t count = queries.direction.count;
  Rungs<T> rungs(count, ends, thresholds, indices, cosines);
  const Pairs pairs = {queries, candidates, 0, product};
  Screened<T> screened({&pairs, 1}, rungs.total(), order, parallel);
  const RowSide<T>& x = screened.x[0];
  const ColumnSide<T>& y = screened.y[0];
  auto work = [&](int64_t i, int64_t tile, int64_t n, const T* products, int64_t, T* scratch) {
    alignas(64) T reach[kTileColumns], error[kTileColumns];
    const T best = rungs.best(i);
    screened_cosines(screened.screen(0), x, i, y, tile, n, products, reach, error);
    int promising = 0;
    for (int64_t j = 0; j < n; ++j) {
      reach[j] += error[j];
      promising |= -reach[j] <= best;
    }
    int64_t scored = 0;
    for (int64_t j = 0; promising && j < smaller(n, y.count - tile); ++j) {
      if (!(-reach[j] <= rungs.best(i))) continue;
      const T* other = row_of(candidates.direction, y.source(tile + j), scratch);
      const double inverse = x.statistics.exact_inverse()[i] * y.exact_inverse(tile + j, other);
      rungs.offer(i, -T(wide_dot(x.exact_row(i, scratch + x.width), other, x.width) * inverse), y.source(tile + j), y.begin + tile + j);
      ++scored;
    }
    return scored;
  };
  screened.run([](int64_t, int64_t) {}, work, false);
  rungs.finish();
  for (int64_t rung = 0; rung < count * thresholds; ++rung) cosines[rung] = -cosines[rung];
}

// By distance.
template <class T>
inline void nearest_ladder(const Factors& factors, Quantity quantity, const int64_t* order, const int64_t* ends,
                           int64_t thresholds, int64_t* indices, T* distances, ParallelFor parallel) {
  Rungs<T> rungs(factors[0].x.direction.count, ends, thresholds, indices, distances);
  Search<T> search(factors, quantity, false, order, rungs.total(), parallel);
  search.run([&](typename Search<T>::Row& row) {
    alignas(64) T found[kScreenColumns];
    int64_t scored = 0;
    for (int64_t start = 0; start < row.real; start += kScreenColumns) {
      const int64_t width = smaller(kScreenColumns, row.real - start);
      const T best = rungs.best(row.index);
      row.template compare<false>(best, start, width, found);
      if (!any_within(found, width)) continue;
      for (int64_t j = 0; j < width; ++j) {
        if (!(found[j] >= 0)) continue;
        rungs.offer(row.index, row.score(start + j), row.source(start + j), row.place(start + j));
        ++scored;
      }
    }
    return scored;
  });
  rungs.finish();
}

}  // namespace
}  // namespace hiergeo
