#include "weights.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

template <bool DISTANCE, class Triangle> __device__ auto partials_of(const Triangle& triangle) {
  if constexpr (DISTANCE) return triangle.distance_partials();
  if constexpr (!DISTANCE) return triangle.exterior_angle_partials();
}

// Columns are the owners; each thread sums over the rows it meets, each warp over its 32 columns.
template <Kind KIND, int SIGN, bool DISTANCE, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, 1)
    weigh(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature<T> curvature, Quantity quantity,
          const __grid_constant__ Upstream upstream, const __grid_constant__ Weights weights) {
  using Seat = Seats<T>;
  HIERGEO_DYNAMIC_SHARED(memory);
  int64_t row_tiles = (rows.count + Seat::size - 1) / Seat::size;
  int64_t column_tiles = (columns.count + Seat::size - 1) / Seat::size;
  const T* gradient = reinterpret_cast<const T*>(upstream.data);
  int seat = threadIdx.x % Seat::size, group = threadIdx.x / Seat::size;
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    Place where = {job / (row_tiles * column_tiles), job % column_tiles * Seat::size,
                   job / column_tiles % row_tiles * Seat::size};
    double by_y = 0, by_curvature = 0;
    visit_tile<KIND>(memory, columns, rows, where, [&](int w, const Point<T>& x, const Point<T>& y, Opening<T> opening) {
      const Place& place = Shared<T>::place(memory);
      int64_t row = place.walker + w, column = place.owner + seat;
      bool owned = column < columns.count;
      auto triangle = triangle_of<SIGN>(x, y, opening, curvature);
      Partials<T> slope = partials_of<DISTANCE>(triangle);
      T pull = 0, by_x = 0, known = 0 * (opening.versine + x.radial.radius + y.radial.radius + x.number);
      bool counted = owned && known == 0 && (quantity != Quantity::energy || triangle.exterior_angle() > x.number);
      if (owned) {
        pull = gradient[place.batch * upstream.batch_stride + row * upstream.row_stride +
                        column * upstream.column_stride];
        pull = !counted ? T(0) : quantity == Quantity::cone_margin ? -pull : pull;
        by_x = pull * slope.x;
        by_y += double(pull * slope.y);
        by_curvature += double(pull * slope.curvature);
        static_cast<T*>(weights.by_cosine)[(place.batch * rows.count + row) * columns.count + column] =
            -pull * slope.theta_over_sine;
      }
      constexpr T limit = Near<T>::limit;
      bool near = owned && known == 0 && !(opening.versine >= limit && opening.coversine >= limit);
      unsigned which = __ballot_sync(kWarp, near);
      unsigned opposite = __ballot_sync(kWarp, near && opening.coversine < opening.versine);
      double sum_x = warp_sum(double(by_x)), sum_number = conic(quantity) ? warp_sum(double(pull)) : 0;
      int64_t word = column / 32;
      if (seat % 32 == 0 && word < weights.column_words) {
        weights.near[(place.batch * rows.count + row) * weights.column_words + word] = {which, opposite};
        int64_t partial = (place.batch * weights.column_words + word) * rows.count + row;
        weights.by_x_radius[partial] = sum_x;
        weights.by_x_number[partial] = -sum_number;
      }
    });
    const Place& place = Shared<T>::place(memory);
    int64_t column = place.owner + seat, share = place.walker / Seat::share + group;
    if (column < columns.count) {
      int64_t partial = (place.batch * weights.row_shares + share) * columns.count + column;
      weights.by_y_radius[partial] = by_y;
      weights.by_curvature[partial] = by_curvature;
    }
  }
}

template <bool DISTANCE>
void weigh_as(const Launch& launch, Quantity quantity, const Side& rows, const Side& columns, double curvature,
              const Upstream& upstream, const Weights& weights) {
  with_kind(rows.kind(), curvature, [&](auto kind, auto sign) {
    constexpr Kind KIND = decltype(kind)::value;
    using T = Compute<KIND>;
    int64_t tiles = rows.batches * ceil_div(rows.count, Tile<T>::size) * ceil_div(columns.count, Tile<T>::size);
    launch.run(weigh<KIND, decltype(sign)::value, DISTANCE>, tiles, kThreads, Shared<T>::bytes, rows, columns,
               Curvature<T>(curvature), quantity, upstream, weights);
  });
}

}  // namespace

int64_t row_shares(bool wide, int64_t rows) {
  return wide ? ceil_div(rows, Tile<double>::size) * Seats<double>::groups
              : ceil_div(rows, Tile<float>::size) * Seats<float>::groups;
}

void write_weights(const Launch& launch, Quantity quantity, const Side& rows, const Side& columns, double curvature,
                   Upstream upstream, Weights weights) {
  auto write = quantity == Quantity::distance ? weigh_as<true> : weigh_as<false>;
  write(launch, quantity, rows, columns, curvature, upstream, weights);
}

}  // namespace hiergeo::cuda
