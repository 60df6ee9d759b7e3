// A block of weights: what pairs weigh times the derivative by cos(theta), and the sums by radii, aperture and curvature.
#pragma once

#include "../loss.h"
#include "sweep.h"

namespace hiergeo {
namespace {

// Whole register blocks either way round: 960 = 6 * 160 = 64 * 15. The second-level cache holds a tile's columns of y and their
// rays, then the rays of kRayRows rows of x.
constexpr int64_t kWeightColumns = 960, kWeightStride = kWeightColumns + 16, kWeightRows = 1536, kChunkRows = 96, kRayRows = 384;

// A pair near a common line, whose pull is taken from its tangents.
template <class T> struct NearPair {
  int32_t row, column;
  T weight, versine, coversine;
};

// Value (that of the law, or 0; NaN where a point is not a number) and derivatives of a row of pairs.
template <class T> struct RowPartials {
  alignas(64) T value[kTileColumns], theta_over_sine[kTileColumns], x[kTileColumns], y[kTileColumns],
      curvature[kTileColumns];
};

template <class T> using Differentiation = void (*)(const RowOfPairs<T>& row, RowPartials<T>& to);

// What is differentiated; of distances the value is 0 unless they are measured too.
enum class Law { angle, distance, measured_distance };

template <class T, int SIGN, Law LAW, bool NEAR_END, bool AWAY>
inline void differentiate_anchored(const RowOfPairs<T>& row, RowPartials<T>& to) {
  const RowOfPairs<T> pairs = row;
  HIERGEO_INDEPENDENT
  for (int64_t j = 0; j < pairs.n; ++j) {
    Triangle<T, SIGN> triangle = pairs.template triangle<SIGN>(j, NEAR_END);
    Partials<T> d = LAW == Law::angle ? triangle.exterior_angle_partials() : triangle.distance_partials();
    T value = LAW == Law::angle ? triangle.exterior_angle() : LAW == Law::distance ? 0 * triangle.chord() : triangle.distance();
    if (AWAY) d.curvature = triangle.distance_by_curvature(d, value);
    to.value[j] = value + 0 * pairs.number;
    to.theta_over_sine[j] = d.theta_over_sine;
    to.x[j] = d.x;
    to.y[j] = d.y;
    to.curvature[j] = d.curvature;
  }
}

template <class T, int SIGN, Law LAW> inline void differentiate(const RowOfPairs<T>& row, RowPartials<T>& to) {
  constexpr bool measured = LAW == Law::measured_distance && SIGN != 0;
  if (anchored_at_end(row.point, row.scale))
    differentiate_anchored<T, SIGN, LAW, true, measured>(row, to);
  else if (measured && row.scale * row.point.radius >= T(kHomogeneous))
    differentiate_anchored<T, SIGN, LAW, false, measured>(row, to);
  else
    differentiate_anchored<T, SIGN, LAW, false, false>(row, to);
}

template <class T, Law LAW> inline Differentiation<T> differentiation_of(double curvature) {
  if (curvature < 0) return differentiate<T, -1, LAW>;
  return curvature > 0 ? differentiate<T, 1, LAW> : differentiate<T, 0, LAW>;
}

template <class T> inline Differentiation<T> differentiation_of(Quantity quantity, bool measured, double curvature) {
  if (!is_distance(quantity)) return differentiation_of<T, Law::angle>(curvature);
  return measured ? differentiation_of<T, Law::measured_distance>(curvature) : differentiation_of<T, Law::distance>(curvature);
}

// What a weigher sums over pairs: of values, and of weights.
struct WeighedSums {
  double value = 0, weight = 0;

  void add(const WeighedSums& more) {
    value += more.value;
    weight += more.weight;
  }
};

// What pairs weigh: the derivative of the result by their law, 0 for a pair that is not a number.
template <class T> struct Weigher {
  // Of row i with n columns from `column` of y on, whose laws are `value`; `number` is that of x. Returns what is summed
  // over them, if anything.
  virtual WeighedSums weigh(int64_t i, int64_t column, const T* value, T number, int64_t n, T* to) const = 0;
  // Whether it needs the values of distances.
  virtual bool measures() const { return false; }

 protected:
  ~Weigher() = default;
};

// An upstream gradient for each pair.
template <class T> class UpstreamWeigher final : public Weigher<T> {
 public:
  UpstreamWeigher(Quantity quantity, Upstream upstream) : quantity_(quantity), upstream_(upstream) {}

  WeighedSums weigh(int64_t i, int64_t column, const T* value, T number, int64_t n, T* to) const override {
    read(i, column, n, to);
    if (quantity_ == Quantity::energy)
      for (int64_t j = 0; j < n; ++j) to[j] = value[j] > number ? to[j] : T(0);
    else if (quantity_ == Quantity::cone_margin)
      for (int64_t j = 0; j < n; ++j) to[j] = value[j] >= 0 ? -to[j] : T(0);
    else
      for (int64_t j = 0; j < n; ++j) to[j] = value[j] >= 0 ? to[j] : T(0);
    return {};
  }

 private:
  void read(int64_t i, int64_t column, int64_t n, T* to) const {
    const T* from = static_cast<const T*>(upstream_.data) + i * upstream_.row_stride + column * upstream_.column_stride;
    if (upstream_.column_stride == 1)
      memcpy(to, from, size_t(n) * sizeof(T));
    else if (upstream_.column_stride == 0)
      for (int64_t j = 0; j < n; ++j) to[j] = *from;
    else
      for (int64_t j = 0; j < n; ++j) to[j] = from[j * upstream_.column_stride];
  }

  Quantity quantity_;
  Upstream upstream_;
};

// The slope of a loss whose values are summed.
template <class T> class LossWeigher final : public Weigher<T> {
 public:
  explicit LossWeigher(LossKind kind) : loss_(kind) {}

  WeighedSums weigh(int64_t, int64_t, const T* value, T number, int64_t n, T* to) const override {
    alignas(64) T losses[kTileColumns];
    const Loss<T> loss = loss_;
    for (int64_t j = 0; j < n; ++j) {
      losses[j] = loss.value(value[j], number);
      to[j] = loss.slope(value[j], number);
    }
    return {wide_sum(losses, n)};
  }

 private:
  Loss<T> loss_;
};

template <class T> class Weights {
 public:
  Weights(const Pairs& pairs, Quantity quantity, const Weigher<T>& weigher, int64_t rows)
      : pairs_(pairs), quantity_(quantity), weigher_(weigher),
        differentiate_(differentiation_of<T>(quantity, weigher.measures(), pairs.curvature)),
        capacity_(smaller(kWeightRows, rounded_up(rows, kChunkRows))), weights_(capacity_ * kWeightStride),
        near_(capacity_ * kWeightColumns, Pages::sparse), radius_sums_(chunks() * kWeightColumns) {}

  T* row(int64_t i) { return weights_.data() + i * kWeightStride; }
  const NearPair<T>* near(int64_t chunk) const { return near_.data() + chunk * kChunkRows * kWeightColumns; }
  int64_t near_count(int64_t chunk) const { return near_counts_[chunk]; }
  const double* radius_sums(int64_t chunk) const { return radius_sums_.data() + chunk * kWeightColumns; }
  double curvature_sum(int64_t chunk) const { return curvature_sums_[chunk]; }
  // What the weigher sums.
  const WeighedSums& total(int64_t chunk) const { return totals_[chunk]; }

  // Rows [first, last) of the block that begins at row `block` of x, which are chunk number `chunk`. `radius_x` and, for
  // energies, `number_x` gain the sums of their rows. Calls `done(column, n)` when the weights of n columns are there.
  template <class Done>
  void fill(const RowSide<T>& x, const ColumnSide<T>& y, int64_t block, int64_t first, int64_t last, int64_t chunk,
            double* radius_x, double* number_x, Done&& done) {
    const T curvature = T(pairs_.curvature), scale = T(sqrt(fabs(pairs_.curvature)));
    double *sums = radius_sums_.data() + chunk * kWeightColumns, curvature_sum = 0;
    WeighedSums total;
    NearPair<T>* list = near_.data() + chunk * kChunkRows * kWeightColumns;
    int64_t listed = 0;
    memset(sums, 0, kWeightColumns * sizeof(double));
    Buffer<T> scratch(2 * x.width), products(kChunkRows * kTileColumns);
    RowOpening<T> opening;
    RowPartials<T> partials;
    alignas(64) T up[kTileColumns];
    auto work = [&](int64_t i, int64_t column, const T* products, int64_t n) {
      opening.open(x, i, y, column, products, n, scratch.data());
      const T number = x.statistics.number()[i];
      differentiate_({x.statistics.at(i), number, scale, curvature, y.statistics, column, n, opening}, partials);
      const int64_t real = smaller(n, y.count - column);
      total.add(weigher_.weigh(i, y.begin + column, partials.value, number, real, up));
      for (int64_t j = real; j < n; ++j) up[j] = T(0);
      if (is_conic(quantity_)) number_x[i] -= wide_sum(up, real);
      T* to = row(i - block) + column;
      HIERGEO_INDEPENDENT
      for (int64_t j = 0; j < n; ++j) to[j] = -up[j] * partials.theta_over_sine[j];
      HIERGEO_INDEPENDENT
      for (int64_t j = 0; j < n; ++j) sums[column + j] += up[j] * partials.y[j];
      radius_x[i] += wide_dot(up, partials.x, real);
      curvature_sum += wide_dot(up, partials.curvature, real);
      for (int64_t j = 0; opening.some_near && j < real; ++j)
        if (opening.near(j)) {
          list[listed++] = {int32_t(i - block), int32_t(column + j), to[j], opening.versine[j], opening.coversine[j]};
          to[j] = T(0);
        }
    };
    const int64_t columns = rounded_up(y.count, kBlockColumns<T>);
    for (int64_t column = 0; column < columns; column += kTileColumns) {
      const int64_t n = smaller(columns - column, kTileColumns);
      pass_product(y.product, x.row(block + first), x.width, 1, rounded_up(last - first, kBlockRows), y.panels(column, n),
                   x.width, products.data(), kTileColumns, false);
      for (int64_t i = first; i < last; ++i) work(block + i, column, products.data() + (i - first) * kTileColumns, n);
      done(column, smaller(n, y.count - column));
    }
    near_counts_[chunk] = listed;
    curvature_sums_[chunk] = curvature_sum;
    totals_[chunk] = total;
  }

 private:
  static constexpr int64_t kChunks = kWeightRows / kChunkRows;
  int64_t chunks() const { return capacity_ / kChunkRows; }

  const Pairs& pairs_;
  Quantity quantity_;
  const Weigher<T>& weigher_;
  Differentiation<T> differentiate_;
  int64_t capacity_;
  Buffer<T> weights_;
  Buffer<NearPair<T>> near_;
  Buffer<double> radius_sums_;
  int64_t near_counts_[kChunks] = {};
  double curvature_sums_[kChunks] = {};
  WeighedSums totals_[kChunks];
};

}  // namespace
}  // namespace hiergeo
