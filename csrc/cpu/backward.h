// Gradients by tile recomputation: blocks of weights in cache, then two products with the rays of either side.
//
// With w_ij the derivative of the loss by cos(theta_ij), x_i is pulled along sum_j w_ij y_j and y_j along sum_i w_ij x_i, for
// unit rays; what points along the ray itself is projected out at the end. Pairs near a common line would cancel there:
// their tangents are formed in double and added one by one. Sums over pairs have a fixed order, whatever the threads.
#pragma once

#include "weights.h"

namespace hiergeo {
namespace {

// Unit rays as panels of dimensions, [panel][ray][dimension], zeros beyond the last dimension and for a row that is not a
// number.
template <class T> class Rays {
 public:
  Rays(int64_t capacity, int64_t width, Product product)
      : capacity_(capacity), padded_(rounded_up(width, kBlockColumns<T>)), panel_(panel_columns<T>(product, padded_)),
        data_(capacity * padded_) {}

  // From ray i on.
  Panels<T> from(int64_t i) const { return {data_.data() + i * panel_, padded_, panel_, capacity_ * panel_}; }

  void load(const Rows& rows, int64_t begin, int64_t count, ParallelFor parallel) {
    auto body = [&](int64_t first, int64_t last) {
      Buffer<T> ray(padded_), scratch(rows.width);
      for (int64_t i = first; i < last; ++i) {
        const T* from = row_of(rows, begin + i, scratch.data());
        Scaling scaling = scaling_of(from, rows.width);
        const bool known = scaling.inverse == scaling.inverse;
        for (int64_t k = 0; k < rows.width; ++k) ray[k] = known ? T(from[k] * scaling.factor * scaling.inverse) : T(0);
        for (int64_t k = rows.width; k < padded_; ++k) ray[k] = T(0);
        for (int64_t d = 0; d < padded_; d += panel_)
          memcpy(data_.data() + d * capacity_ + i * panel_, &ray[d], size_t(panel_) * sizeof(T));
      }
    };
    for_each(count, 64, body, parallel);
  }

 private:
  int64_t capacity_, padded_, panel_;
  Buffer<T> data_;
};

// Sums of weighted rays, one row a point; the stride keeps rows off the same cache sets.
template <class T> struct Pulls {
  int64_t stride;
  Buffer<T> data;

  Pulls(int64_t count, int64_t width, ParallelFor parallel)
      : stride(rounded_up(width, kBlockColumns<T>) + 16), data(count * stride) {
    auto body = [&](int64_t first, int64_t last) { memset(row(first), 0, size_t((last - first) * stride) * sizeof(T)); };
    for_each(count, 256, body, parallel);
  }

  T* row(int64_t i) { return data.data() + i * stride; }
  const T* row(int64_t i) const { return data.data() + i * stride; }
};

// to[k] += weight (y - cos(theta) x)[k] for the unit rays of x and y, without cancellation at either end: x is brought to the
// length of y before it is subtracted, as a fused operation would round only one of two equal rays.
template <class T, class X, class Y>
inline void add_tangent(X x, double inverse_x, Y y, double inverse_y, const NearPair<T>& pair, int64_t width, T* to) {
  const bool same = pair.versine < pair.coversine;
  const double ratio = (same ? -inverse_x : inverse_x) / inverse_y;
  const double back = (same ? pair.versine : -pair.coversine) * inverse_x;
  for (int64_t k = 0; k < width; ++k)
    to[k] += T(pair.weight * ((y[k] + ratio * x[k]) * inverse_y + back * x[k]));
}

// x as T, where numbers beyond its range become its largest.
template <class T> HIERGEO_FN T saturated(double x) {
  constexpr double largest = double(Limits<T>::largest);
  return T(x > largest ? largest : x < -largest ? -largest : x);
}

// The gradients of one side, from its pulls: projected on the tangent space and divided by the norms of the rows. Those of a
// point that is not a number are NaN.
template <class T>
inline void finish(const Points& points, const Pulls<T>& pulls, const double* by_radius, T* to, T* to_radius,
                   ParallelFor parallel) {
  const int64_t width = points.direction.width;
  auto body = [&](int64_t first, int64_t last) {
    Buffer<T> scratch(width);
    for (int64_t i = first; i < last; ++i) {
      const T *row = row_of(points.direction, i, scratch.data()), *pull = pulls.row(i);
      Scaling scaling = scaling_of(row, width);
      const double unknown = 0 * (scaling.inverse + points.radius[i]);
      const double inverse = scaling.inverse * scaling.factor, along = wide_dot(pull, row, width) * inverse + unknown;
      for (int64_t k = 0; k < width; ++k)
        to[i * width + k] = saturated<T>((pull[k] - along * (row[k] * inverse)) * inverse);
      to_radius[i] = saturated<T>(by_radius[i] + unknown);
    }
  };
  for_each(points.direction.count, 64, body, parallel);
}

template <class T> class Backward {
 public:
  Backward(const Pairs& pairs, Quantity quantity, const Weigher<T>& weigher, Gradients to, ParallelFor parallel)
      : pairs_(pairs), to_(to), parallel_(parallel), x_(pairs.x, pairs.curvature, parallel),
        y_(pairs.y, kWeightColumns, pairs.product), rays_x_(x_.count, x_.width, pairs.product),
        rays_y_(kWeightColumns, x_.width, pairs.product), pulls_x_(x_.padded, x_.width, parallel),
        pulls_y_(rounded_up(pairs.y.direction.count, kBlockRows), x_.width, parallel), radius_x_(x_.count),
        radius_y_(pairs.y.direction.count),
        weights_(pairs, quantity, weigher, x_.count) {
    rays_x_.load(pairs.x.direction, 0, x_.count, parallel);
    memset(radius_x_.data(), 0, size_t(x_.count) * sizeof(double));
    memset(radius_y_.data(), 0, size_t(pairs.y.direction.count) * sizeof(double));
  }

  // Returns what the weigher sums over all pairs.
  WeighedSums run() {
    const int64_t total = pairs_.y.direction.count;
    double curvature = 0;
    WeighedSums sum;
    for (int64_t begin = 0; begin < total; begin += kWeightColumns) {
      y_.load(begin, smaller(kWeightColumns, total - begin), pairs_.curvature, parallel_);
      rays_y_.load(pairs_.y.direction, begin, y_.count, parallel_);
      for (int64_t row = 0; row < x_.count; row += kWeightRows) {
        const int64_t rows = smaller(kWeightRows, x_.count - row), chunks = rounded_up(rows, kChunkRows) / kChunkRows;
        auto pull_rows = [&](int64_t first, int64_t last) {
          for (int64_t chunk = first; chunk < last; ++chunk) pull_x(row, chunk, rows);
        };
        for_each(chunks, 1, pull_rows, parallel_);
        auto pull_columns = [&](int64_t first, int64_t last) {
          pull_y(row, rows, first * kBlockRows, smaller(last * kBlockRows, y_.count));
        };
        for_each(rounded_up(y_.count, kBlockRows) / kBlockRows, 8, pull_columns, parallel_);
        for (int64_t chunk = 0; chunk < chunks; ++chunk) {
          const double* sums = weights_.radius_sums(chunk);
          for (int64_t j = 0; j < y_.count; ++j) radius_y_[begin + j] += sums[j];
          curvature += weights_.curvature_sum(chunk);
          sum.add(weights_.total(chunk));
        }
      }
    }
    *to_.curvature = curvature;
    finish(pairs_.x, pulls_x_, radius_x_.data(), static_cast<T*>(to_.x_direction), static_cast<T*>(to_.x_radius),
           parallel_);
    finish(pairs_.y, pulls_y_, radius_y_.data(), static_cast<T*>(to_.y_direction), static_cast<T*>(to_.y_radius),
           parallel_);
    return sum;
  }

 private:
  // Weights of one chunk of rows, tile by tile while they are in cache times the rays of y.
  void pull_x(int64_t row, int64_t chunk, int64_t rows) {
    const int64_t first = chunk * kChunkRows, last = smaller(first + kChunkRows, rows), width = x_.width;
    auto pull = [&](int64_t column, int64_t columns) {
      pass_product(pairs_.product, weights_.row(first) + column, kWeightStride, 1, rounded_up(last - first, kBlockRows),
                   rays_y_.from(column), columns, pulls_x_.row(row + first), pulls_x_.stride, true);
    };
    weights_.fill(x_, y_, row, first, last, chunk, radius_x_.data(), to_.x_number, pull);
    Buffer<T> scratch(2 * width);
    for (int64_t n = 0; n < weights_.near_count(chunk); ++n) {
      const NearPair<T>& pair = weights_.near(chunk)[n];
      const int64_t i = row + pair.row;
      on_rows(i, pair.column, scratch.data(), [&](auto x, double inverse_x, auto y, double inverse_y) {
        add_tangent(x, inverse_x, y, inverse_y, pair, width, pulls_x_.row(i));
      });
    }
  }

  // Calls `body` with row i of x and column j of y and the inverses of their norms, as exact as they are known. `scratch` has
  // room for two rows.
  template <class Body> void on_rows(int64_t i, int64_t j, T* scratch, Body body) {
    const Points &x = pairs_.x, &y = pairs_.y;
    const int64_t other = y_.source(j);
    if (are_exact(x, y))
      return body(exact_of(x, i, scratch), exact_inverse_of(x, i), exact_of(y, other, scratch + x_.width),
                  exact_inverse_of(y, other));
    const T* row = x_.row(i);
    body(row, x_.statistics.exact_inverse()[i], row_of(y.direction, other, scratch), y_.statistics.exact_inverse()[j]);
  }

  // The weights of a group of columns, copied so that they lie near each other, times the rays of x: as many of these at a time
  // as all groups find in the second-level cache.
  void pull_y(int64_t row, int64_t rows, int64_t first, int64_t last) {
    constexpr int64_t kGroup = 16 * kBlockRows;
    const int64_t width = x_.width;
    Buffer<T> near(kGroup * kRayRows);
    for (int64_t begin = 0; begin < rows; begin += kRayRows) {
      const int64_t some = smaller(kRayRows, rows - begin);
      for (int64_t group = first; group < last; group += kGroup) {
        const int64_t columns = smaller(kGroup, rounded_up(last - group, kBlockRows));
        for (int64_t i = 0; i < some; ++i)
          memcpy(&near[i * kGroup], weights_.row(begin + i) + group, size_t(columns) * sizeof(T));
        pass_product(pairs_.product, near.data(), 1, kGroup, columns, rays_x_.from(row + begin), some,
                     pulls_y_.row(y_.begin + group), pulls_y_.stride, true);
      }
    }
    Buffer<T> scratch(2 * width);
    for (int64_t chunk = 0; chunk * kChunkRows < rows; ++chunk)
      for (int64_t n = 0; n < weights_.near_count(chunk); ++n) {
        const NearPair<T>& pair = weights_.near(chunk)[n];
        const int64_t i = row + pair.row, j = pair.column;
        if (j < first || j >= last) continue;
        on_rows(i, j, scratch.data(), [&](auto x, double inverse_x, auto y, double inverse_y) {
          add_tangent(y, inverse_y, x, inverse_x, pair, width, pulls_y_.row(y_.begin + j));
        });
      }
  }

  const Pairs& pairs_;
  Gradients to_;
  ParallelFor parallel_;
  RowSide<T> x_;
  ColumnSide<T> y_;
  Rays<T> rays_x_, rays_y_;
  Pulls<T> pulls_x_, pulls_y_;
  Buffer<double> radius_x_, radius_y_;
  Weights<T> weights_;
};

template <class T>
inline WeighedSums backward(const Pairs& pairs, Quantity quantity, const Weigher<T>& weigher, Gradients to,
                            ParallelFor parallel) {
  return Backward<T>(pairs, quantity, weigher, to, parallel).run();
}

}  // namespace
}  // namespace hiergeo
