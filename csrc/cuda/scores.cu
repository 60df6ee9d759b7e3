#include "scores.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

// What is made of a value: `factor` times it, plus shares of the numbers of the row and of the column, at least `least`.
template <class T> struct Finished {
  T factor, of_row, of_column, least;

  explicit Finished(Finish finish)
      : factor(finish == Finish::margin ? -1 : 1),
        of_row(finish == Finish::margin ? 1 : finish == Finish::energy ? -1 : 0),
        of_column(finish == Finish::less_offset ? -1 : 0),
        least(finish == Finish::energy ? T(0) : T(-INFINITY)) {}

  __device__ T operator()(T value, T row_number, T column_share) const {
    T sum = value * factor + (row_number * of_row + column_share);
    return sum < least ? least : sum;
  }
};

template <Law LAW, int SIGN, class T>
__device__ T law(const Point<T>& row, const Point<T>& column, Opening<T> opening, Curvature<T> curvature) {
  if constexpr (LAW == Law::cosine) {
    return (opening.coversine - opening.versine) / 2;
  } else {
    constexpr bool swapped = LAW == Law::swapped;
    auto triangle = triangle_of<SIGN>(swapped ? column : row, swapped ? row : column, opening, curvature);
    return LAW == Law::distance ? triangle.distance() : triangle.exterior_angle();
  }
}

// Tiles in bands of a few row tiles, so that blocks that run together share rows and columns in the cache.
__device__ Place place_of(int64_t job, int64_t row_tiles, int64_t column_tiles, int size) {
  constexpr int64_t band_rows = 8;
  int64_t batch = job / (row_tiles * column_tiles);
  job %= row_tiles * column_tiles;
  int64_t first = job / (band_rows * column_tiles) * band_rows;
  int64_t height = row_tiles - first < band_rows ? row_tiles - first : band_rows;
  job -= first * column_tiles;
  return {batch, job / height * size, (first + job % height) * size};
}

template <Kind KIND, Law LAW, int SIGN, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, kBlocks<KIND>)
    scores(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature<T> curvature,
           Finished<T> finished, Matrix out) {
  HIERGEO_DYNAMIC_SHARED(memory);
  constexpr int size = Tile<T>::size;
  int64_t row_tiles = (rows.count + size - 1) / size, column_tiles = (columns.count + size - 1) / size;
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    visit_tile<KIND>(memory, columns, rows, place_of(job, row_tiles, column_tiles, size), [&](const Seat& seat) {
      char* first = out.data + seat.batch * out.batch_stride + seat.walker * out.row_stride;
      return [&, to = first + seat.owner * size_of(out.dtype), owned = seat.owned](
                 int, const Point<T>& x, const Point<T>& y, Opening<T> opening) mutable {
        T value = finished(law<LAW, SIGN>(x, y, opening, curvature), x.number, y.number * finished.of_column);
        if (owned) set_element(to, out.dtype, 0, value);
        to += out.row_stride;
      };
    });
  }
}

template <Law LAW>
void launch_scores(const Launch& launch, Finish finish, const Side& rows, const Side& columns, double curvature,
                   Matrix out) {
  with_kind(rows.kind(), LAW == Law::cosine ? 0 : curvature, [&](auto kind, auto sign) {
    constexpr Kind KIND = decltype(kind)::value;
    constexpr int SIGN = LAW == Law::cosine ? 0 : decltype(sign)::value, size = Tile<Compute<KIND>>::size;
    int64_t tiles = rows.batches * ceil_div(rows.count, size) * ceil_div(columns.count, size);
    launch.run(scores<KIND, LAW, SIGN>, tiles, kThreads, Shared<Compute<KIND>>::bytes, rows, columns,
               Curvature<Compute<KIND>>(curvature), Finished<Compute<KIND>>(finish), out);
  });
}

}  // namespace

void write_scores(const Launch& launch, Law law, Finish finish, const Side& rows, const Side& columns, double curvature,
                  Matrix out) {
  switch (law) {
    case Law::exterior_angle:
      return launch_scores<Law::exterior_angle>(launch, finish, rows, columns, curvature, out);
    case Law::swapped: return launch_scores<Law::swapped>(launch, finish, rows, columns, curvature, out);
    case Law::distance: return launch_scores<Law::distance>(launch, finish, rows, columns, curvature, out);
    case Law::cosine: return launch_scores<Law::cosine>(launch, finish, rows, columns, curvature, out);
  }
}

}  // namespace hiergeo::cuda
