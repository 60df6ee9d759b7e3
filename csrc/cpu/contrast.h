// Contrast: logits of every pair reduced over rows and over columns in one sweep, and what they weigh in the backward pass.
//
// A logsumexp is a top and a sum of exp(z - top). The top of a row follows its largest logit; that of a column only where a logit
// is far above it, so that most rows cost one exponential, or where its point matches: what a match leaves over may be tiny. Columns
// are reduced by chunks of rows, whose number does not depend on the threads, and those are merged in order.
#pragma once

#include "../logits.h"
#include "backward.h"
#include "evaluations.h"

namespace hiergeo {
namespace {

// Rows that reduce columns together, a whole number of register blocks, and the most such chunks.
constexpr int64_t kContrastRows = 20 * kBlockRows, kContrastChunks = 64;

// What a logit may be above the top of its column: sums of exp of that stay finite.
constexpr int kAbove = 32;

template <class T> inline T largest_of(const T* x, int64_t n, T least) {
  alignas(64) T lanes[16];
  for (T& lane : lanes) lane = least;
  int64_t j = 0;
  for (; j + 16 <= n; j += 16)
    for (int lane = 0; lane < 16; ++lane) lanes[lane] = larger(lanes[lane], x[j + lane]);
  for (; j < n; ++j) lanes[0] = larger(lanes[0], x[j]);
  for (T lane : lanes) least = larger(least, lane);
  return least;
}

// Calls body(j) for the columns whose label is that of row i.
template <class Body> inline void each_match(const Logits& logits, int64_t i, int64_t first, int64_t n, Body body) {
  if (!logits.x_label) return;
  const int64_t own = logits.x_label[i], *others = logits.y_label + first;
  int64_t found = 0;
  for (int64_t j = 0; j < n; ++j) found |= others[j] == own;
  for (int64_t j = 0; found && j < n; ++j)
    if (others[j] == own) body(j);
}

template <class T, bool SOFTPLUS> class Reduction final : public Sink<T> {
 public:
  Reduction(const Factors& factors, const Logits& logits, Contrast to)
      : logits_(logits), logit_(logits), to_(to), rows_(factors[0].x.direction.count),
        columns_(factors[0].y.direction.count),
        chunk_rows_(rounded_up(larger<int64_t>(1, (rows_ + kContrastChunks - 1) / kContrastChunks), kContrastRows)),
        chunks_((rows_ + chunk_rows_ - 1) / chunk_rows_), row_tops_(rows_), tops_(chunks_ * columns_),
        sums_(chunks_ * columns_), matched_(logits.x_label ? chunks_ * columns_ : 0) {
    const int64_t partial = chunks_ * columns_;
    memset(to_.rows, 0, size_t(rows_) * sizeof(double));
    memset(sums_.data(), 0, size_t(partial) * sizeof(double));
    if (logits.x_label) memset(matched_.data(), 0, size_t(partial) * sizeof(double));
    for (int64_t i = 0; i < rows_; ++i) row_tops_[i] = -Limits<T>::largest;
    for (int64_t j = 0; j < partial; ++j) tops_[j] = -Limits<T>::largest;
  }

  int64_t rows_together() const { return chunk_rows_; }

  void row(int64_t i, int64_t first, const T* distances, int64_t n) override {
    alignas(64) T z[kTileColumns];
    const Logit<T> logit = logit_;
    for (int64_t j = 0; j < n; ++j) z[j] = logit.of(logit.measure(distances[j]));
    const int64_t from = i / chunk_rows_ * columns_ + first;
    each_match(logits_, i, first, n, [&](int64_t j) {
      to_.matched_rows[i] += z[j];
      matched_[from + j] += z[j];
      if (!SOFTPLUS) raise(tops_[from + j], sums_[from + j], z[j]);
    });
    if (SOFTPLUS)
      add_softplus(i, sums_.data() + from, z, n);
    else
      add_exponentials(i, tops_.data() + from, sums_.data() + from, z, n);
  }

  // What was found becomes what is asked for.
  void finish() {
    for (int64_t i = 0; !SOFTPLUS && i < rows_; ++i) to_.rows[i] = log(to_.rows[i]) + double(row_tops_[i]);
    for (int64_t j = 0; j < columns_; ++j) {
      T top = -Limits<T>::largest;
      for (int64_t at = j; at < chunks_ * columns_; at += columns_) top = larger(top, tops_[at]);
      double sum = 0;
      for (int64_t at = j; at < chunks_ * columns_; at += columns_) {
        sum += SOFTPLUS ? sums_[at] : sums_[at] * exp(double(tops_[at]) - double(top));
        if (logits_.x_label) to_.matched_columns[j] += matched_[at];
      }
      to_.columns[j] = SOFTPLUS ? sum : log(sum) + double(top);
    }
  }

 private:
  // To the sums of row i and of columns; `z` is overwritten.
  void add_softplus(int64_t i, double* sums, T* z, int64_t n) {
    for (int64_t j = 0; j < n; ++j) z[j] = softplus(z[j]);
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) sums[j] += z[j];
    to_.rows[i] += wide_sum(z, n);
  }

  static void raise(T& top, double& sum, T z) {
    if (!(z > top)) return;
    sum *= exp(double(top) - double(z));
    top = z;
  }

  void add_exponentials(int64_t i, T* tops, double* sums, T* z, int64_t n) {
    int found = 0;
    for (int64_t j = 0; j < n; ++j) found |= z[j] > tops[j] + kAbove;
    for (int64_t j = 0; found && j < n; ++j) raise(tops[j], sums[j], z[j]);
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) sums[j] += exponential(z[j] - tops[j]);
    const T before = row_tops_[i], top = largest_of(z, n, before);
    if (top > before) to_.rows[i] *= exp(double(before) - double(top));
    row_tops_[i] = top;
    for (int64_t j = 0; j < n; ++j) z[j] = exponential(z[j] - top);
    to_.rows[i] += wide_sum(z, n);
  }

  Logits logits_;
  Logit<T> logit_;
  Contrast to_;
  int64_t rows_, columns_, chunk_rows_, chunks_;
  Buffer<T> row_tops_, tops_;
  Buffer<double> sums_, matched_;
};

// What pairs weigh: the derivatives of what rows and columns were reduced to by their logits, times gradients, and the slope of the
// logits.
template <class T, bool SOFTPLUS> class ContrastWeigher final : public Weigher<T> {
 public:
  ContrastWeigher(const Pairs& pairs, const Logits& logits, Contrast found, Contrast upstream)
      : logits_(logits), logit_(logits), found_(found), upstream_(upstream), columns_(pairs.y.direction.count),
        by_column_(pairs.y.direction.count) {
    for (int64_t j = 0; j < pairs.y.direction.count; ++j) {
      columns_[j] = T(found.columns[j]);
      by_column_[j] = T(upstream.columns[j]);
    }
  }

  bool measures() const override { return true; }

  // The sums of weights times what the scale multiplies, and of weights.
  WeighedSums weigh(int64_t i, int64_t column, const T* value, T, int64_t n, T* to) const override {
    alignas(64) T measured[kTileColumns];
    const Logit<T> logit = logit_;
    const T row = T(found_.rows[i]), by_row = T(upstream_.rows[i]);
    const T *columns = columns_.data() + column, *by_column = by_column_.data() + column;
    for (int64_t j = 0; j < n; ++j) measured[j] = logit.measure(value[j]);
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) {
      const T z = logit.of(measured[j]);
      to[j] = SOFTPLUS ? sigmoid(z) * (by_row + by_column[j])
                       : exponential(z - row) * by_row + exponential(z - columns[j]) * by_column[j];
    }
    each_match(logits_, i, column, n, [&](int64_t j) {  // in double: a match may be all but certain
      const int64_t c = column + j;
      const double z = logit.of(measured[j]), matched = upstream_.matched_rows[i] + upstream_.matched_columns[c];
      const double by_z = upstream_.rows[i] * exp(z - found_.rows[i]) + upstream_.columns[c] * exp(z - found_.columns[c]);
      to[j] = T((SOFTPLUS ? to[j] : by_z) + matched);
    });
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) {
      to[j] = value[j] >= 0 ? to[j] : T(0);
      measured[j] = value[j] >= 0 ? measured[j] : T(0);
    }
    const WeighedSums sums = {wide_dot(to, measured, n), wide_sum(to, n)};
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < n; ++j) to[j] *= logit.slope(value[j]);
    return sums;
  }

 private:
  Logits logits_;
  Logit<T> logit_;
  Contrast found_, upstream_;
  Buffer<T> columns_, by_column_;
};

template <class T, bool SOFTPLUS>
inline void contrast(const Factors& factors, Quantity quantity, const Logits& logits, Contrast to, ParallelFor parallel) {
  Reduction<T, SOFTPLUS> sink(factors, logits, to);
  sweep<T>(factors, Evaluations<T>(factors, quantity), norm_of(quantity), sink, parallel, sink.rows_together());
  sink.finish();
}

template <class T, bool SOFTPLUS>
inline WeighedSums contrast_gradients(const Pairs& pairs, const Logits& logits, Contrast found, Contrast upstream, Gradients to,
                                      ParallelFor parallel) {
  const ContrastWeigher<T, SOFTPLUS> weigher(pairs, logits, found, upstream);
  return backward<T>(pairs, Quantity::distance, weigher, to, parallel);
}

}  // namespace
}  // namespace hiergeo
