#include "weights.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

enum class Law { angle, distance, loss, contrast };

template <Law LAW, class T, int SIGN> __device__ Partials<T> partials_of(const Triangle<T, SIGN>& triangle) {
  if (LAW == Law::angle || LAW == Law::loss) return triangle.exterior_angle_partials();
  if (LAW == Law::contrast && SIGN != 0 && triangle.scale * triangle.x.radius >= T(kHomogeneous)) {
    Partials<T> slope = triangle.distance_partials();
    slope.curvature = triangle.distance_by_curvature(slope, triangle.distance());
    return slope;
  }
  return triangle.distance_partials();
}

// The logits of the pairs of one column, and what they weigh.
template <class T> struct ColumnLogits {
  Logit<T> logit;
  bool softplus;
  Share<T> own;
  const Share<T>* row;  // the next that is met

  __device__ ColumnLogits(const Reduced& of, const Seat& seat)
      : logit(of.logits.at<T>(of.batch + seat.batch)), softplus(of.logits.softplus), own{},
        row(static_cast<const Share<T>*>(of.rows) + seat.batch * of.row_stride + seat.walker) {
    if (seat.owned) own = static_cast<const Share<T>*>(of.columns)[seat.batch * of.column_stride + seat.owner];
  }

  // The derivative by the logit z of the next row.
  __device__ T weight(T z) {
    const Share<T> met = *row++;
    const bool matches = met.label == own.label;
    if (matches && !softplus) return matching(z, met) + matching(z, own);
    const T weight = softplus ? sigmoid(z) * (met.upstream + own.upstream)
                              : exponential(z - met.reduced) * met.upstream + exponential(z - own.reduced) * own.upstream;
    return matches ? weight + (met.matched + own.matched) : weight;
  }

 private:
  // Of a pair that matches, which may be all but certain.
  static __device__ T matching(T z, const Share<T>& of) {
    return T(expm1_of(double(z) - of.reduced - of.rest)) * of.upstream + (of.upstream + of.matched);
  }
};

template <class T> struct Words {
  static constexpr int span = Seats<T>::share < 32 ? Seats<T>::share : 32, count = Seats<T>::share / span;  // of a share
};

struct Nothing {
  __device__ Nothing(const Reduced&, const Seat&) {}
};

// Columns are the owners; each thread sums over the rows it meets, each warp over its 32 columns.
template <Kind KIND, int SIGN, Law LAW, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, 1)
    weigh(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature<T> curvature,
          const __grid_constant__ Objective objective, const __grid_constant__ Weights weights) {
  using Shape = Seats<T>;
  HIERGEO_DYNAMIC_SHARED(memory);
  int64_t row_tiles = (rows.count + Shape::size - 1) / Shape::size;
  int64_t column_tiles = (columns.count + Shape::size - 1) / Shape::size;
  const Quantity quantity = objective.quantity;
  const Upstream& upstream = objective.upstream;
  const T* gradient = reinterpret_cast<const T*>(upstream.data);
  int seat = threadIdx.x % Shape::size, group = threadIdx.x / Shape::size;
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    Place where = {job / (row_tiles * column_tiles), job % column_tiles * Shape::size,
                   job / column_tiles % row_tiles * Shape::size};
    double by_y = 0, by_curvature = 0, values = 0, by_logit = 0;
    uint64_t near_rows = 0, opposite_rows = 0;  // bit w: row w of this thread's share
    visit_tile<KIND>(memory, columns, rows, where, [&](const Seat& seat) {
      int64_t word = seat.owner / 32, row = seat.batch * rows.count + seat.walker;
      auto* weight = static_cast<T*>(weights.by_cosine) + row * columns.count + seat.owner;
      auto* slope_above = gradient + seat.batch * upstream.batch_stride + seat.walker * upstream.row_stride +
                          seat.owner * upstream.column_stride;
      uint2* near_word = weights.near_of_rows + row * weights.column_words + word;
      int64_t partial = (seat.batch * weights.column_words + word) * rows.count + seat.walker;
      bool owned = seat.owned, speaks = threadIdx.x % 32 == 0 && word < weights.column_words;
      std::conditional_t<LAW == Law::contrast, ColumnLogits<T>, Nothing> logits(objective.reduced, seat);
      return [=, loss = Loss<T>(objective.loss), &weights, &upstream, &columns, &rows, &by_y, &by_curvature, &values,
              &by_logit, &near_rows, &opposite_rows](
                 int w, const Point<T>& x, const Point<T>& y, Opening<T> opening) mutable {
        auto triangle = triangle_of<SIGN>(x, y, opening, curvature);
        Partials<T> slope = partials_of<LAW>(triangle);
        T pull = 0, by_x = 0;
        bool known = 0 * (opening.versine + x.radial.radius + y.radial.radius + x.number) == 0;
        if constexpr (LAW == Law::loss) {
          T angle = triangle.exterior_angle();
          values += owned ? double(loss.value(angle, x.number)) : 0;
          pull = owned && known ? loss.slope(angle, x.number) : T(0);
        } else if constexpr (LAW == Law::contrast) {
          const T distance = known ? triangle.distance() : T(0), measured = logits.logit.measure(distance);
          const T weight = logits.weight(logits.logit.of(measured)), counted = owned && known ? weight : T(0);
          values -= double(counted * measured);
          by_logit += double(counted);
          pull = counted * logits.logit.slope(distance);
        } else {
          bool counted = owned && known && (quantity != Quantity::energy || triangle.exterior_angle() > x.number);
          if (owned) pull = !counted ? T(0) : quantity == Quantity::cone_margin ? -*slope_above : *slope_above;
        }
        if (owned) {
          by_x = pull * slope.x;
          by_y += double(pull * slope.y);
          by_curvature += double(pull * slope.curvature);
          *weight = -pull * slope.theta_over_sine;
        }
        T limit = rows.near;
        bool near = owned && known && !(opening.versine >= limit && opening.coversine >= limit);
        bool turned = near && opening.coversine < opening.versine;
        unsigned which = __ballot_sync(kWarp, near), opposite = __ballot_sync(kWarp, turned);
        near_rows |= uint64_t(near) << w;
        opposite_rows |= uint64_t(turned) << w;
        double sum_x = warp_sum(double(by_x)), sum_number = is_conic(quantity) ? warp_sum(double(pull)) : 0;
        if (speaks) {
          *near_word = {which, opposite};
          weights.by_x_radius[partial + w] = sum_x;
          weights.by_x_number[partial + w] = -sum_number;
        }
        weight += columns.count;
        slope_above += upstream.row_stride;
        near_word += weights.column_words;
      };
    });
    const Place& place = Shared<T>::place(memory);
    int64_t column = place.owner + seat, share = place.walker / Shape::share + group;
    if (column < columns.count) {
      int64_t partial = (place.batch * weights.row_shares + share) * columns.count + column;
      weights.by_y_radius[partial] = by_y;
      weights.by_curvature[partial] = by_curvature;
      if constexpr (LAW == Law::loss || LAW == Law::contrast) weights.values[partial] = values;
      if constexpr (LAW == Law::contrast) weights.by_logit[partial] = by_logit;
      int64_t words = weights.row_shares * Words<T>::count, word = share * Words<T>::count;
      uint2* near = weights.near_of_columns + (place.batch * words + word) * columns.count + column;
      for (int i = 0; i < Words<T>::count; ++i, near += columns.count) {
        *near = {unsigned(near_rows >> (i * Words<T>::span)), unsigned(opposite_rows >> (i * Words<T>::span))};
      }
    }
  }
}

template <Law LAW>
void weigh_as(const Launch& launch, const Objective& objective, const Side& rows, const Side& columns, double curvature,
              const Weights& weights) {
  with_kind(rows.kind(), curvature, [&](auto kind, auto sign) {
    constexpr Kind KIND = decltype(kind)::value;
    using T = Compute<KIND>;
    int64_t tiles = rows.batches * ceil_div(rows.count, Tile<T>::size) * ceil_div(columns.count, Tile<T>::size);
    launch.run(weigh<KIND, decltype(sign)::value, LAW>, tiles, kThreads, Shared<T>::bytes, rows, columns,
               Curvature<T>(curvature), objective, weights);
  });
}

}  // namespace

template <class T> RowShares row_shares_as(int64_t rows) {
  int64_t count = ceil_div(rows, Tile<T>::size) * Seats<T>::groups;
  return {count, count * Words<T>::count, Words<T>::span};
}
RowShares row_shares(bool wide, int64_t rows) { return wide ? row_shares_as<double>(rows) : row_shares_as<float>(rows); }

void write_weights(const Launch& launch, const Objective& objective, const Side& rows, const Side& columns, double curvature,
                   Weights weights) {
  auto write = objective.contrasted()            ? weigh_as<Law::contrast>
               : objective.summed()              ? weigh_as<Law::loss>
               : is_distance(objective.quantity) ? weigh_as<Law::distance>
                                                 : weigh_as<Law::angle>;
  write(launch, objective, rows, columns, curvature, weights);
}

}  // namespace hiergeo::cuda
