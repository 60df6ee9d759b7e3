// How many columns come before a bound: pairs that certainly do or do not are counted, the rest is scored exactly.
#pragma once

#include "search.h"

namespace hiergeo {
namespace {

// Adds how many columns of a row `before(score, index)` holds for; it must hold for all scores below `bound` and for none
// above. Returns how many pairs were scored.
template <class T, class Before> inline int64_t add_before(typename Search<T>::Row& row, T bound, Before before, int64_t& count) {
  alignas(64) T possible[kScreenColumns], certain[kScreenColumns];
  int64_t scored = 0;
  for (int64_t start = 0; start < row.real; start += kScreenColumns) {
    const int64_t width = smaller(kScreenColumns, row.real - start);
    row.template compare<false>(bound, start, width, possible);
    if (!any_within(possible, width)) continue;
    row.template compare<true>(bound, start, width, certain);
    int32_t sure = 0, doubtful = 0;
    for (int64_t j = 0; j < width; ++j) {
      sure += certain[j] > 0;
      doubtful |= (possible[j] >= 0) & !(certain[j] > 0);
    }
    count += sure;
    for (int64_t j = 0; doubtful && j < width; ++j) {
      if (!(possible[j] >= 0) || certain[j] > 0) continue;
      count += row.comes_before(bound, start + j, before);
      ++scored;
    }
  }
  return scored;
}

template <class T>
inline void count_within(const Factors& factors, Quantity quantity, const double* reach, int64_t* counts, ParallelFor parallel) {
  Search<T> search(factors, quantity, false, nullptr, factors[0].y.direction.count, parallel);
  search.run([&](typename Search<T>::Row& row) {
    const double limit = reach[row.index];
    return add_before<T>(row, T(limit), [=](T score, int64_t) { return score <= limit; }, counts[row.index]);
  }, true);
}

// The scores of the targets are those of a search among them alone, one column for each row.
template <class T>
inline void rank(const Factors& factors, Quantity quantity, bool swap, const int64_t* target, int64_t* ranks,
                 ParallelFor parallel) {
  Search<T> search(factors, quantity, swap, nullptr, factors[0].y.direction.count, parallel);
  Buffer<T> own(search.rows());
  search.score_partners(target, own.data());
  for (int64_t i = 0; i < search.rows(); ++i) ranks[i] = own[i] == own[i] ? 0 : -1;
  search.run([&](typename Search<T>::Row& row) {
    const T score = own[row.index];
    const int64_t chosen = target[row.index];
    if (!(score == score)) return int64_t(0);
    auto before = [=](T other, int64_t index) { return other < score || (other == score && index < chosen); };
    return add_before<T>(row, score, before, ranks[row.index]);
  }, true);
}

}  // namespace
}  // namespace hiergeo
