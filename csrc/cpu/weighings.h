// A ranking of positives and negatives under many weights of their rows, eight at a time.
#pragma once

#include <float.h>

#include "lanes.h"

namespace hiergeo {
namespace {

constexpr int64_t kTogether = 8;

// (samples, rows) -> [row][sample] of those from `first` on; weights of 0 where there are fewer.
inline void side_by_side(const double* weights, int64_t rows, int64_t samples, int64_t first, double* to) {
  for (int64_t row = 0; row < rows; ++row)
    for (int64_t s = 0; s < kTogether; ++s) to[row * kTogether + s] = first + s < samples ? weights[(first + s) * rows + row] : 0;
}

// A sum and what rounding has taken from it so far.
struct Compensated {
  Wide sum = {}, lost = {};
  void add(Wide term) {
    const Wide whole = term - lost, next = sum + whole;
    lost = (next - sum) - whole;
    sum = next;
  }
};

template <bool PRECISION> inline void weigh(const Weighings& of, int64_t first, const double* positive, const double* negative) {
  Wide t = {}, f = {}, true_mass = {}, false_mass = {};
  Compensated total;
  for (int64_t at = 0; at < of.items; ++at) {
    const int32_t item = of.item[at];
    const bool is_true = item & 2;
    const Wide weight = widened((is_true ? positive : negative) + int64_t(item >> 2) * kTogether);
    const double yes = is_true ? 1 : 0;
    t += weight * yes;
    f += weight * (1 - yes);
    if (!(item & 1)) continue;
    if (!PRECISION) total.add(t * (2 * false_mass + f));
    true_mass += t;
    false_mass += f;
    if (PRECISION) total.add(t * (true_mass / (true_mass + false_mass + DBL_MIN)));
    t = f = Wide{};
  }
  const Wide whole = PRECISION ? true_mass : 2 * true_mass * false_mass, part = PRECISION ? total.sum : whole - total.sum;
  for (int64_t s = 0; s < smaller(kTogether, of.samples - first); ++s) of.values[first + s] = whole[s] != 0 ? part[s] / whole[s] : of.chance;
}

inline void weigh_all(const Weighings& of, bool precision, ParallelFor parallel) {
  auto body = [&](int64_t begin, int64_t end) {
    Buffer<double> positive(of.positives * kTogether), negative(of.negatives * kTogether);
    for (int64_t first = begin * kTogether; first < smaller(end * kTogether, of.samples); first += kTogether) {
      side_by_side(of.positive, of.positives, of.samples, first, positive.data());
      const bool one = of.positive == of.negative;
      if (!one) side_by_side(of.negative, of.negatives, of.samples, first, negative.data());
      (precision ? weigh<true> : weigh<false>)(of, first, positive.data(), one ? positive.data() : negative.data());
    }
  };
  for_each(rounded_up(of.samples, kTogether) / kTogether, 1, body, parallel);
}

}  // namespace
}  // namespace hiergeo
