// The k columns of the smallest exterior angle less an offset: a screen by the tangent law, then exact angles in double.
//
// Xi <= tau exactly where adjacent sin(tau) - opposite cos(tau) = sn(d) sin(tau - Xi) >= 0. With cos(theta) known to +- e the
// adjacent leg is largest at an end, being linear in it, and the opposite leg is smallest at the larger |cos| (tau <= pi/2)
// or largest at the smaller one (tau > pi/2). Whatever cannot reach the k-th best so far is dropped; the rest is scored in
// double, so the result depends neither on the precision of the screen nor on the number of threads.
#pragma once

#include "screen.h"

namespace hiergeo {
namespace {

// The bound is renewed this often; more often at first, while it is loose.
constexpr int64_t kScreenColumns = 64, kFirstColumns = 16, kLooseColumns = 256;

// What a screen sees of a row: the products are cosines by then.
template <class T> struct ScreenedRow {
  Radial<T> point;
  const Statistics<T>& columns;
  int64_t column, n;
  const T *cosine, *error;
  T row_error, bound, scale, curvature;
};

// reach[j] >= 0 where column j may score at most `bound`.
template <class T> using Reach = void (*)(const ScreenedRow<T>& row, T* reach);

// The apex is x, or y where SWAP; OFFSET: where the columns' numbers are subtracted from the angle.
template <class T, int SIGN, bool SWAP, bool OFFSET> inline void reach_of(const ScreenedRow<T>& row, T* reach) {
  constexpr T half_turn = T(kPi), quarter = T(kPi / 2), rounding = 16 * Limits<T>::epsilon;
  const ScreenedRow<T> r = row;
  const bool near_end = anchored_at_end(r.point, r.scale);
  const T* number = r.columns.number() + r.column;
  auto within = [=](T tau) { return smaller(larger(tau, T(0)), half_turn); };
  auto sine_of = [=](T tau) { return sine_half_turn(smaller(within(tau), half_turn - within(tau))); };
  auto cosine_of = [=](T tau) { return sine_half_turn(quarter - within(tau)); };
  const T bound_sine = sine_of(r.bound), bound_cosine = cosine_of(r.bound);
  HIERGEO_INDEPENDENT
  for (int64_t j = 0; j < r.n; ++j) {
    const Radial<T> other = r.columns.at(r.column + j);
    const Radial<T> apex = SWAP ? other : r.point, base = SWAP ? r.point : other;
    const T error = r.row_error + r.error[j];
    T tau = r.bound + (OFFSET ? number[j] : T(0));
    T tau_sine = OFFSET ? sine_of(tau) : bound_sine, tau_cosine = OFFSET ? cosine_of(tau) : bound_cosine;

    T high = smaller(r.cosine[j] + error, T(1)), low = larger(r.cosine[j] - error, T(-1));
    T size = magnitude(r.cosine[j]);
    T inner = tau_cosine >= 0 ? smaller(size + error, T(1)) : larger(size - error, T(0));
    Triangle<T, SIGN> at_high = {apex, base, {1 - high, 1 + high}, near_end, r.scale, r.curvature};
    Triangle<T, SIGN> at_inner = {apex, base, {1 - inner, 1 + inner}, near_end, r.scale, r.curvature};
    T along = at_high.adjacent(), across = at_inner.opposite();
    T apart = T(1);  // a lower bound of the distance to the antipode of the apex, in units of 1/s
    if (SIGN > 0) {
      Triangle<T, SIGN> at_low = {apex, base, {1 - low, 1 + low}, near_end, r.scale, r.curvature};
      along = larger(along, at_low.adjacent());
      apart = larger(r.scale * magnitude(apex.root.hi + base.end.hi),
                     square_root((r.scale * apex.sine) * (r.scale * base.sine) * (1 + low)));
    }
    T slack = rounding * (magnitude(along) + 2 * base.sine + across);
    T value = along * tau_sine - across * tau_cosine + slack;
    value = tau < -rounding ? T(-1) : value;
    value = tau >= half_turn - rounding ? T(1) : value;
    value = apex.radius == 0 ? T(1) : value;
    value = apart <= 2 * kAntipode<T> ? T(1) : value;
    reach[j] = value + 0 * r.cosine[j];
  }
}

template <class T, int SIGN> inline Reach<T> reach_by(bool swap, bool offset) {
  if (swap) return offset ? reach_of<T, SIGN, true, true> : reach_of<T, SIGN, true, false>;
  return offset ? reach_of<T, SIGN, false, true> : reach_of<T, SIGN, false, false>;
}

template <class T> inline Reach<T> reach_for(double curvature, bool swap, bool offset) {
  if (curvature < 0) return reach_by<T, -1>(swap, offset);
  return curvature > 0 ? reach_by<T, 1>(swap, offset) : reach_by<T, 0>(swap, offset);
}

// The statistics of points in double, as exact scores need them.
struct ExactSide {
  Buffer<Radial<double>> radial;

  explicit ExactSide(int64_t capacity) : radial(capacity) {}

  void load(const Points& points, int64_t begin, int64_t count, double curvature, ParallelFor parallel) {
    auto body = [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i) radial[i] = hiergeo::radial<double, double>(points.radius[begin + i], curvature);
    };
    for_each(count, 1024, body, parallel);
  }
};

// `end_anchor`: the point that chooses where positions are taken from. Antipodes are those of stored results, in T.
template <class T>
inline double exact_angle(const Radial<double>& apex, const Radial<double>& base, const Radial<double>& end_anchor,
                          WideOpening opening, double curvature) {
  constexpr double antipode = kAntipode<T>;
  Opening<double> at = {opening.versine, opening.coversine};
  double scale = sqrt(fabs(curvature));
  bool near_end = anchored_at_end(end_anchor, scale);
  if (curvature < 0) return Triangle<double, -1>{apex, base, at, near_end, scale, curvature}.exterior_angle(antipode);
  if (curvature > 0) return Triangle<double, 1>{apex, base, at, near_end, scale, curvature}.exterior_angle(antipode);
  return Triangle<double, 0>{apex, base, at, near_end, scale, curvature}.exterior_angle(antipode);
}

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
inline void smallest(const Pairs& pairs, bool swap, int64_t k, T* values, int64_t* indices, ParallelFor parallel) {
  const RowSide<T> x(pairs.x, pairs.curvature, parallel);
  const int64_t total = pairs.y.direction.count, stretch = stretch_of<T>(x.width, total);
  ColumnSide<T> y(pairs.y, stretch, pairs.product);
  ExactSide exact_x(x.count), exact_y(stretch);
  exact_x.load(pairs.x, 0, x.count, pairs.curvature, parallel);
  const Reach<T> reach_of_row = reach_for<T>(pairs.curvature, swap, pairs.y.number != nullptr);
  Buffer<int64_t> filled(x.count);
  for (int64_t i = 0; i < x.count; ++i) filled[i] = 0;

  auto score = [&](int64_t i, int64_t column, T* scratch) {
    const T* other = row_of(y.points.direction, y.source(column), scratch);
    WideOpening opening = wide_opening(x.row(i), x.statistics.exact_inverse()[i], other,
                                       y.statistics.exact_inverse()[column], x.width);
    const Radial<double>&point = exact_x.radial[i], &candidate = exact_y.radial[column];
    double angle = exact_angle<T>(swap ? candidate : point, swap ? point : candidate, point, opening, pairs.curvature);
    return T(pairs.y.number ? angle - pairs.y.number[y.source(column)] : angle);
  };
  auto work = [&](int64_t i, int64_t tile, const T* products, int64_t n, T row_error, const T* column_error, T* scratch) {
    alignas(64) T cosine[kScreenColumns], reach[kScreenColumns];
    Shortlist<T> best = {values + i * k, indices + i * k, k, &filled[i]};
    const T inverse_x = x.statistics.inverse()[i];
    const int64_t real = smaller(n, y.count - tile);
    int64_t scored = 0;
    for (int64_t start = 0, width; start < real; start += width) {
      const int64_t column = tile + start;
      width = smaller(y.begin + column < kLooseColumns ? kFirstColumns : kScreenColumns, n - start);
      const bool open = !best.full();
      if (!open) {
        for (int64_t j = 0; j < width; ++j)
          cosine[j] = products[start + j] * (inverse_x * y.statistics.inverse()[column + j]);
        reach_of_row({x.statistics.at(i), y.statistics, column, width, cosine, column_error + start, row_error,
                      best.values[0], T(sqrt(fabs(pairs.curvature))), T(pairs.curvature)},
                     reach);
        int promising = 0;
        for (int64_t j = 0; j < width; ++j) promising |= reach[j] >= 0;
        if (!promising) continue;
      }
      for (int64_t j = 0; j < smaller(width, real - start); ++j) {
        if (!open && !(reach[j] >= 0)) continue;
        best.offer(score(i, column + j, scratch), y.begin + column + j);
        ++scored;
      }
    }
    return scored;
  };
  auto prepare = [&](int64_t begin, int64_t count) { exact_y.load(pairs.y, begin, count, pairs.curvature, parallel); };
  search(x, y, total, stretch, pairs.curvature, prepare, work, parallel);
  for (int64_t i = 0; i < x.count; ++i) Shortlist<T>{values + i * k, indices + i * k, k, &filled[i]}.sort();
}

}  // namespace
}  // namespace hiergeo
