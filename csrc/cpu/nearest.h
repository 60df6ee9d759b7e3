// The k columns of smallest score: pairs that cannot reach the k-th best so far are dropped, the rest is scored exactly.
#pragma once

#include "search.h"

namespace hiergeo {
namespace {

// The bound is renewed this often at first, while it is loose.
constexpr int64_t kFirstColumns = 16, kLooseColumns = 256;

// The best k so far of one row, as a heap whose first entry is the worst: largest value, then largest index.
template <class T> struct Shortlist {
  T* values;
  int64_t* indices;
  int64_t k;
  int64_t* filled;

  bool full() const { return *filled == k; }

  void offer(T value, int64_t index) {
    if (!(value == value)) return;
    if (full()) {
      if (!precedes(value, index, values[0], indices[0])) return;
      sink(0, k, value, index);
      return;
    }
    int64_t place = (*filled)++;
    while (place > 0) {
      int64_t above = (place - 1) / 2;
      if (precedes(value, index, values[above], indices[above])) break;
      put(place, values[above], indices[above]);
      place = above;
    }
    put(place, value, index);
  }

  // Ascending; places that were never filled become NaN and -1.
  void sort() {
    for (int64_t last = *filled - 1; last > 0; --last) {
      T value = values[last];
      int64_t index = indices[last];
      put(last, values[0], indices[0]);
      sink(0, last, value, index);
    }
    for (int64_t place = *filled; place < k; ++place) put(place, T(NAN), -1);
  }

 private:
  static bool precedes(T value, int64_t index, T other, int64_t other_index) {
    return value < other || (value == other && index < other_index);
  }
  void put(int64_t place, T value, int64_t index) {
    values[place] = value;
    indices[place] = index;
  }
  void sink(int64_t place, int64_t size, T value, int64_t index) {
    for (int64_t below = 2 * place + 1; below < size; below = 2 * place + 1) {
      if (below + 1 < size && precedes(values[below], indices[below], values[below + 1], indices[below + 1])) ++below;
      if (!precedes(value, index, values[below], indices[below])) break;
      put(place, values[below], indices[below]);
      place = below;
    }
    put(place, value, index);
  }
};

template <class T>
inline void smallest(const Factors& factors, Quantity quantity, bool swap, int64_t k, T* values, int64_t* indices,
                     ParallelFor parallel) {
  Search<T> search(factors, quantity, swap, nullptr, factors[0].y.direction.count, parallel);
  Buffer<int64_t> filled(search.rows());
  for (int64_t i = 0; i < search.rows(); ++i) filled[i] = 0;
  auto shortlist = [&](int64_t i) { return Shortlist<T>{values + i * k, indices + i * k, k, &filled[i]}; };
  search.run([&](typename Search<T>::Row& row) {
    alignas(64) T found[kScreenColumns];
    Shortlist<T> best = shortlist(row.index);
    int64_t scored = 0;
    for (int64_t start = 0, width; start < row.real; start += width) {
      width = smaller(row.place(start) < kLooseColumns ? kFirstColumns : kScreenColumns, row.real - start);
      const bool open = !best.full();
      if (!open) {
        row.template compare<false>(best.values[0], start, width, found);
        if (!any_within(found, width)) continue;
      }
      for (int64_t j = 0; j < width; ++j) {
        if (!open && !(found[j] >= 0)) continue;
        best.offer(row.score(start + j), row.place(start + j));
        ++scored;
      }
    }
    return scored;
  });
  for (int64_t i = 0; i < search.rows(); ++i) shortlist(i).sort();
}

}  // namespace
}  // namespace hiergeo
