#include "weights.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

enum class Law { angle, distance, loss, contrast };

template <Law LAW, int SIGN> __device__ Partials<float> partials_of(const Triangle<float, SIGN>& triangle) {
  if (LAW == Law::angle || LAW == Law::loss) return triangle.exterior_angle_partials();
  if (LAW == Law::contrast && SIGN != 0 && triangle.scale * triangle.x.radius >= float(kHomogeneous)) {
    Partials<float> slope = triangle.distance_partials();
    slope.curvature = triangle.distance_by_curvature(slope, triangle.distance());
    return slope;
  }
  return triangle.distance_partials();
}

// The logits of the pairs of one column, and what they weigh.
struct ColumnLogits {
  Logit<float> logit;
  bool softplus;
  Share own;
  const Share* row;  // the next that is met

  __device__ ColumnLogits(const Reduced& of, const Seat& seat)
      : logit(of.logits.at(of.batch + seat.batch)), softplus(of.logits.softplus), own{},
        row(of.rows + seat.batch * of.row_stride + seat.walker) {
    if (seat.owned) own = of.columns[seat.batch * of.column_stride + seat.owner];
  }

  // The derivative by the logit z of the next row.
  __device__ float weight(float z) {
    const Share met = *row++;
    const bool matches = met.label == own.label;
    if (matches && !softplus) return matching(z, met) + matching(z, own);
    const float weight = softplus ? sigmoid(z) * (met.upstream + own.upstream)
                              : exponential(z - met.reduced) * met.upstream + exponential(z - own.reduced) * own.upstream;
    return matches ? weight + (met.matched + own.matched) : weight;
  }

 private:
  // Of a pair that matches, which may be all but certain.
  static __device__ float matching(float z, const Share& of) {
    return float(expm1_of(double(z) - of.reduced - of.rest)) * of.upstream + (of.upstream + of.matched);
  }
};

static_assert(Seats::share == 64, "two words of near pairs a share");

struct Nothing {
  __device__ Nothing(const Reduced&, const Seat&) {}
};

// Columns are the owners; each thread sums over the rows it meets, each warp over its 32 columns.
template <Law LAW>
__global__ void __launch_bounds__(kThreads, 1)
    weigh(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature curvature,
          const __grid_constant__ Objective objective, const __grid_constant__ Weights weights) {
  HIERGEO_DYNAMIC_SHARED(memory);
  int64_t row_tiles = (rows.count + Seats::size - 1) / Seats::size;
  int64_t column_tiles = (columns.count + Seats::size - 1) / Seats::size;
  const Quantity quantity = objective.quantity;
  const Upstream& upstream = objective.upstream;
  int seat = threadIdx.x % Seats::size, group = threadIdx.x / Seats::size;
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    Place where = {job / (row_tiles * column_tiles), job % column_tiles * Seats::size,
                   job / column_tiles % row_tiles * Seats::size};
    double by_y = 0, by_curvature = 0, values = 0, by_logit = 0;
    uint64_t near_rows = 0, opposite_rows = 0;  // bit w: row w of this thread's share
    visit_tile(memory, columns, rows, where, curvature, [&](auto sign, const Seat& seat) {
      int64_t word = seat.owner / 32, row = seat.batch * rows.count + seat.walker;
      auto* weight = weights.by_cosine + row * columns.count + seat.owner;
      auto* slope_above = upstream.data + seat.batch * upstream.batch_stride + seat.walker * upstream.row_stride +
                          seat.owner * upstream.column_stride;
      uint2* near_word = weights.near_of_rows + row * weights.column_words + word;
      int64_t partial = (seat.batch * weights.column_words + word) * rows.count + seat.walker;
      bool owned = seat.owned, speaks = threadIdx.x % 32 == 0 && word < weights.column_words;
      std::conditional_t<LAW == Law::contrast, ColumnLogits, Nothing> logits(objective.reduced, seat);
      return [=, loss = Loss<float>(objective.loss), &weights, &upstream, &columns, &rows, &by_y, &by_curvature, &values,
              &by_logit, &near_rows, &opposite_rows](
                 int w, const Point& x, const Point& y, Opening<float> opening) mutable {
        auto triangle = triangle_of<decltype(sign)::value>(x, y, opening, curvature);
        Partials<float> slope = partials_of<LAW>(triangle);
        float pull = 0, by_x = 0;
        bool known = 0 * (opening.versine + x.radial.radius + y.radial.radius + x.number) == 0;
        if constexpr (LAW == Law::loss) {
          float angle = triangle.exterior_angle();
          values += owned ? double(loss.value(angle, x.number)) : 0;
          pull = owned && known ? loss.slope(angle, x.number) : 0.0f;
        } else if constexpr (LAW == Law::contrast) {
          const float distance = known ? triangle.distance() : 0.0f, measured = logits.logit.measure(distance);
          const float weight = logits.weight(logits.logit.of(measured)), counted = owned && known ? weight : 0.0f;
          values -= double(counted * measured);
          by_logit += double(counted);
          pull = counted * logits.logit.slope(distance);
        } else {
          bool counted = owned && known && (quantity != Quantity::energy || triangle.exterior_angle() > x.number);
          if (owned) pull = !counted ? 0.0f : quantity == Quantity::cone_margin ? -*slope_above : *slope_above;
        }
        if (owned) {
          by_x = pull * slope.x;
          by_y += double(pull * slope.y);
          by_curvature += double(pull * slope.curvature);
          *weight = -pull * slope.theta_over_sine;
        }
        float limit = rows.near;
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
    const Place& place = Shared::place(memory);
    int64_t column = place.owner + seat, share = place.walker / Seats::share + group;
    if (column < columns.count) {
      int64_t partial = (place.batch * weights.row_shares + share) * columns.count + column;
      weights.by_y_radius[partial] = by_y;
      weights.by_curvature[partial] = by_curvature;
      if constexpr (LAW == Law::loss || LAW == Law::contrast) weights.values[partial] = values;
      if constexpr (LAW == Law::contrast) weights.by_logit[partial] = by_logit;
      uint2* near = weights.near_of_columns + 2 * (place.batch * weights.row_shares + share) * columns.count + column;
      near[0] = {unsigned(near_rows), unsigned(opposite_rows)};
      near[columns.count] = {unsigned(near_rows >> 32), unsigned(opposite_rows >> 32)};
    }
  }
}

}  // namespace

int64_t row_shares(int64_t rows) { return ceil_div(rows, Tile::size) * Seats::groups; }

void write_weights(const Launch& launch, const Objective& objective, const Side& rows, const Side& columns, double curvature,
                   Weights weights) {
  auto kernel = objective.contrasted()            ? weigh<Law::contrast>
                : objective.summed()              ? weigh<Law::loss>
                : is_distance(objective.quantity) ? weigh<Law::distance>
                                                  : weigh<Law::angle>;
  int64_t tiles = rows.batches * ceil_div(rows.count, Tile::size) * ceil_div(columns.count, Tile::size);
  launch.run(kernel, tiles, kThreads, Shared::bytes, rows, columns, Curvature(curvature), objective, weights);
}

}  // namespace hiergeo::cuda
