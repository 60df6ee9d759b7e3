// What searches share: for a row of pairs, which can reach a bound, which surely stay below it, and exact scores.
//
// A score is what is to be small: an angle, the negative of a margin, a distance; in a product of spaces the largest of the
// factors' or a norm of them. It is formed in double and rounded once, so results depend neither on the precision of the screen
// nor on the number of threads.
#pragma once

#include "bounds.h"

namespace hiergeo {
namespace {

// `end_anchor`: the point that chooses where positions are taken from. Antipodes are those of stored results, in T.
template <class T>
inline double exact_value(Quantity quantity, const Radial<double>& apex, const Radial<double>& base,
                          const Radial<double>& end_anchor, WideOpening opening, double curvature) {
  const Opening<double> at = {opening.versine, opening.coversine};
  const double scale = sqrt(fabs(curvature));
  const bool near_end = anchored_at_end(end_anchor, scale);
  auto value = [&](const auto& triangle) {
    return is_distance(quantity) ? triangle.distance() : triangle.exterior_angle(kAntipode<T>);
  };
  if (curvature < 0) return value(Triangle<double, -1>{apex, base, at, near_end, scale, curvature});
  if (curvature > 0) return value(Triangle<double, 1>{apex, base, at, near_end, scale, curvature});
  return value(Triangle<double, 0>{apex, base, at, near_end, scale, curvature});
}

// The statistics of points in double, as exact scores need them.
class ExactSide {
 public:
  explicit ExactSide(int64_t capacity) : radial_(capacity) {}

  void load(const Points& points, const int64_t* order, int64_t begin, int64_t count, double curvature, ParallelFor parallel) {
    auto body = [&](int64_t first, int64_t last) {
      for (int64_t i = first; i < last; ++i)
        radial_[i] = radial<double, double>(points.radius[order ? order[begin + i] : begin + i], curvature);
    };
    for_each(count, 1024, body, parallel);
  }
  const Radial<double>& operator[](int64_t i) const { return radial_[i]; }

 private:
  Buffer<Radial<double>> radial_;
};

// Whether any of the pairs that were compared may reach its bound.
template <class T> inline bool any_within(const T* found, int64_t width) {
  int within = 0;
  for (int64_t j = 0; j < width; ++j) within |= found[j] >= 0;
  return within;
}

// Shares by which `Search::excess` may differ from 0 though the score, rounded to float, is the bound: of bounds within `comparable`
// 40 * 2^-23, and what `limit_of` rounds.
constexpr double kHidden = 1e-5;

template <class T> class Search {
 public:
  // `total` columns of y, those of `order` if there is one. With `swap` y is the apex.
  Search(const Factors& factors, Quantity quantity, bool swap, const int64_t* order, int64_t total, ParallelFor parallel)
      : factors_(factors), quantity_(quantity), swap_(swap), order_(order), norm_(norm_of(quantity)), parallel_(parallel),
        screened_(factors, total, order, parallel), ahead_(!are_few(rows())), exact_x_(factors.count),
        exact_y_(factors.count) {
    for (int64_t f = 0; f < factors.count; ++f) {
      exact_x_.add(rows());
      exact_x_[f].load(factors[f].x, nullptr, 0, rows(), factors[f].curvature, parallel);
      exact_y_.add(ahead_ ? screened_.stretch() : 0);
    }
  }

  // A row of x and the columns of a tile.
  class Row {
   public:
    Row(const Search& search, int64_t i, int64_t column, int64_t n, const T* products, int64_t layer, T* scratch)
        : index(i), real(smaller(n, search.screened_.y.count() - column)), search_(search), column_(column),
          products_(products), layer_(layer), scratch_(scratch) {}

    const int64_t index, real;  // the row, and how many columns there are

    // Which y column j is, and its place in the order.
    int64_t source(int64_t j) const { return search_.screened_.y[0].source(column_ + j); }
    int64_t place(int64_t j) const { return search_.screened_.y[0].begin + column_ + j; }

    // found[j] >= 0 where column start + j may score at most `bound`; where CERTAIN, found[j] > 0 where it surely scores less.
    template <bool CERTAIN> void compare(T bound, int64_t start, int64_t width, T* found) {
      if (search_.factors_.count == 1 && search_.apart(index, bound)) return compare_factor<CERTAIN>(0, bound, start, width, found);
      if (is_distance(search_.quantity_)) return compare_combined<CERTAIN>(bound, start, width, found);
      alignas(64) T one[kScreenColumns];
      for (int64_t f = 0; f < search_.factors_.count; ++f) {
        compare_factor<CERTAIN>(f, bound, start, width, f == 0 ? found : one);
        for (int64_t j = 0; f > 0 && j < width; ++j) found[j] = one[j] < found[j] ? one[j] : one[j] == one[j] ? found[j] : one[j];
      }
    }

    T score(int64_t j) const { return search_.score(index, source(j), described(j), scratch_); }

    // Whether column j comes before `bound`, where `before(score, index)` holds for all scores below it and for none above.
    template <class Before> bool comes_before(T bound, int64_t j, Before before) {
      if (search_.is_hyperbolic() && search_.apart(index, bound) && limit(bound) > kLeastLimit<T>) {
        const double excess = search_.excess(index, source(j), described(j), limit(bound), scratch_);
        if (magnitude(excess) > kHidden) return excess < 0;
      }
      return before(score(j), source(j));
    }

   private:
    auto described(int64_t j) const {
      return [this, j](int64_t f, const T* row) {
        const double inverse = search_.screened_.y[f].exact_inverse(column_ + j, row);
        return Candidate{search_.ahead_ ? search_.exact_y_[f][column_ + j] : search_.radial_of(f, source(j)), inverse};
      };
    }

    ScreenedRow<T> screened(int64_t f, T bound, int64_t start, int64_t width) {
      const RowSide<T>& x = search_.screened_.x[f];
      const ColumnSide<T>& y = search_.screened_.y[f];
      const int64_t column = column_ + start;
      screened_cosines(search_.screened_.screen(f), x, index, y, column, width, products_ + f * layer_ + start, cosine_, error_);
      const double curvature = search_.factors_[f].curvature;
      return {x.statistics.at(index), y.statistics, column, width, cosine_, error_, bound, T(sqrt(fabs(curvature))),
              T(curvature)};
    }

    template <bool CERTAIN> void compare_factor(int64_t f, T bound, int64_t start, int64_t width, T* found) {
      const Pairs& pairs = search_.factors_[f];
      const T own = pairs.x.number ? bound + search_.screened_.x[f].statistics.number()[index] : bound;
      ScreenedRow<T> row = screened(f, own, start, width);
      if (is_distance(search_.quantity_)) row.limit = limit(own);
      comparison_of<T, CERTAIN>(search_.quantity_, pairs.curvature, search_.swap_, pairs.y.number != nullptr)(row, found);
    }

    // That of the one factor; a row asks about one bound again and again.
    T limit(T bound) {
      if (!(bound == bound_)) limit_ = limit_of(bound, search_.factors_[0].curvature);
      bound_ = bound;
      return limit_;
    }

    template <bool CERTAIN> void compare_combined(T bound, int64_t start, int64_t width, T* found) {
      alignas(64) T distances[kScreenColumns];
      alignas(64) double sums[kScreenColumns];
      const bool squares = search_.norm_ == Norm::l2;
      const int64_t count = search_.factors_.count;
      for (int64_t j = 0; j < width; ++j) sums[j] = 0;
      for (int64_t f = 0; f < count; ++f) {
        extreme_of<T, CERTAIN>(search_.factors_[f].curvature)(screened(f, bound, start, width), distances);
        if (squares)
          for (int64_t j = 0; j < width; ++j) sums[j] += double(distances[j]) * distances[j];
        else
          for (int64_t j = 0; j < width; ++j) sums[j] += distances[j];
      }
      // The score is rounded to T once, and sums to double as often as there are factors.
      const double share = 4 * Limits<T>::epsilon + double(count) * 4 * Limits<double>::epsilon;
      const double allowed = double(bound) * (1 + (CERTAIN ? -share : share)), limit = squares ? allowed * allowed : allowed;
      for (int64_t j = 0; j < width; ++j) {
        double value = bound < 0 ? -1.0 : limit - sums[j];
        value = limit == double(INFINITY) ? 1.0 : value;
        found[j] = T(value > 0 ? 1 : value < 0 ? -1 : 0) + T(0 * sums[j]);
      }
    }

    const Search& search_;
    const int64_t column_;
    const T* products_;
    const int64_t layer_;
    T* scratch_;
    T bound_ = T(NAN), limit_ = 0;
    alignas(64) T cosine_[kScreenColumns], error_[kScreenColumns];
  };

  // Calls `work(row)` for every row and tile, on several threads; it returns how many pairs it scored exactly (see `Screened::run`).
  template <class Work> void run(Work work, bool steady = false) {
    auto prepare = [&](int64_t begin, int64_t count) {
      for (int64_t f = 0; ahead_ && f < factors_.count; ++f)
        exact_y_[f].load(factors_[f].y, order_, begin, count, factors_[f].curvature, parallel_);
    };
    auto each = [&](int64_t i, int64_t column, int64_t n, const T* products, int64_t layer, T* scratch) {
      Row row(*this, i, column, n, products, layer, scratch);
      return work(row);
    };
    screened_.run(prepare, each, steady);
  }

  // The score of each row with its partner among all y.
  void score_partners(const int64_t* partner, T* scores) const {
    auto body = [&](int64_t first, int64_t last) {
      Buffer<T> scratch(2 * screened_.x.widest);
      for (int64_t i = first; i < last; ++i) {
        const auto candidate = [&](int64_t f, const T* row) {
          const Scaling scaling = scaling_of(row, screened_.x[f].width);
          return Candidate{radial_of(f, partner[i]), scaling.inverse * scaling.factor};
        };
        scores[i] = score(i, partner[i], candidate, scratch.data());
      }
    };
    for_each(rows(), 64, body, parallel_);
  }

  int64_t rows() const { return screened_.x.count; }

 private:
  // A point y in one factor: its statistics, and 1 / |direction|.
  struct Candidate {
    Radial<double> radial;
    double inverse;
  };

  Radial<double> radial_of(int64_t f, int64_t other) const {
    return radial<double, double>(factors_[f].y.radius[other], factors_[f].curvature);
  }

  // Whether the first factor alone can be compared with a bound: always by angles, by distances within a range.
  bool apart(int64_t i, T bound) const {
    return !is_distance(quantity_) || comparable(screened_.x[0].statistics.at(i), bound, factors_[0].curvature);
  }

  // Whether scores are distances of float in a space of K < 0, which `excess` compares.
  bool is_hyperbolic() const {
    return sizeof(T) == sizeof(float) && factors_.count == 1 && is_distance(quantity_) && factors_[0].curvature < 0;
  }

  // The opening of row i with y number `other` in factor f, whose direction is `row`.
  WideOpening opening_with(int64_t f, int64_t i, int64_t other, const T* row, double inverse, T* scratch) const {
    const RowSide<T>& x = screened_.x[f];
    const Pairs& pairs = factors_[f];
    const WideOpening opening =
        wide_opening(x.exact_row(i, scratch + x.width), x.statistics.exact_inverse()[i], row, inverse, x.width);
    const bool near = smaller(opening.versine, opening.coversine) < kNear<T> && are_exact(pairs.x, pairs.y);
    return near ? exact_opening(pairs.x, i, pairs.y, other, scratch) : opening;
  }

  // cosh(s d) - 1 less `limit`, as a share of both; a third of the cost of a distance. NaN where both leave the range of double.
  template <class Described>
  double excess(int64_t i, int64_t other, Described candidate, double limit, T* scratch) const {
    const T* row = row_of(factors_[0].y.direction, other, scratch);
    const Candidate y = candidate(0, row);
    const Radial<double>& x = exact_x_[0][i];
    const double curvature = factors_[0].curvature, scale = sqrt(-curvature);
    const WideOpening opening = opening_with(0, i, other, row, y.inverse, scratch);
    const Triangle<double, -1> triangle = {x, y.radial, {opening.versine, opening.coversine}, anchored_at_end(x, scale), scale,
                                           curvature};
    const double along = scale * triangle.adjacent(), across = scale * triangle.opposite();
    const double both = x.shrink * y.radial.shrink, reached = along * along + across * across;
    const double allowed = limit * (triangle.distance_cosine() + both) * both;
    return (reached - allowed) / (reached + allowed);
  }

  // The score of row i with y number `other`, of which candidate(f, row) tells the statistics in factor f.
  template <class Described> T score(int64_t i, int64_t other, Described candidate, T* scratch) const {
    double sum = 0;
    for (int64_t f = 0; f < factors_.count; ++f) {
      const Pairs& pairs = factors_[f];
      const T* row = row_of(pairs.y.direction, other, scratch);
      const Candidate of_y = candidate(f, row);
      const Radial<double>& point = exact_x_[f][i];
      const WideOpening opening = opening_with(f, i, other, row, of_y.inverse, scratch);
      double value = exact_value<T>(quantity_, swap_ ? of_y.radial : point, swap_ ? point : of_y.radial, point, opening,
                                    pairs.curvature);
      if (pairs.x.number) value -= pairs.x.number[i];
      if (pairs.y.number) value -= pairs.y.number[other];
      if (factors_.count == 1) return T(value);
      if (norm_ == Norm::least)
        sum = f == 0 || value > sum || value != value ? value : sum;
      else
        sum += norm_ == Norm::l2 ? value * value : value;
    }
    return T(norm_ == Norm::l2 ? sqrt(sum) : sum);
  }

  Factors factors_;
  Quantity quantity_;
  bool swap_;
  const int64_t* order_;
  Norm norm_;
  ParallelFor parallel_;
  Screened<T> screened_;
  bool ahead_;  // whether statistics in double are made ready for all y, not for those alone that are scored
  Series<ExactSide> exact_x_, exact_y_;
};

}  // namespace
}  // namespace hiergeo
