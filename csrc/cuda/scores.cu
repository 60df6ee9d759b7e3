#include "scores.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

// One factor as kernels take it.
struct Space {
  Side rows, columns;
  Curvature curvature;
};

// Scores as kernels take them.
struct Task {
  Law law;
  float slope, share, floor;
  Combination combination;
  int count;
  Space spaces[kMostFactors];

  // What is made of the value of a law, for points of rows and columns.
  __device__ float score(float value, const Point& row, const Point& column) const {
    value = value * slope + (row.number + column.number) * share;
    return value < floor ? floor : value;
  }
};

constexpr size_t kMostParameters = 4096;  // bytes, before CUDA 12.1
static_assert(sizeof(Task) + sizeof(Matrix) <= kMostParameters, "fewer factors fit the parameters of a kernel");

Task task_of(const Scores& scores) {
  const Formula& formula = scores.formula;
  Task task = {formula.law,  float(formula.slope), float(formula.share), float(formula.floor), formula.combination,
               scores.count, {}};
  for (int f = 0; f < scores.count; ++f) {
    const Factor& factor = scores.factors[f];
    task.spaces[f] = {factor.rows, factor.columns, Curvature(factor.curvature)};
  }
  return task;
}

template <Law LAW, int SIGN>
__device__ float law(const Point& row, const Point& column, Opening<float> opening, Curvature curvature) {
  if constexpr (LAW == Law::cosine) {
    return (opening.coversine - opening.versine) / 2;
  } else {
    constexpr bool swapped = LAW == Law::swapped;
    auto triangle = triangle_of<SIGN>(swapped ? column : row, swapped ? row : column, opening, curvature);
    return LAW == Law::distance ? triangle.distance() : triangle.exterior_angle();
  }
}

// Two values as one; NaN where either is.
__device__ float combined(Combination combination, float a, float b) {
  switch (combination) {
    case Combination::l2: return hypotenuse(a, b);
    case Combination::l1: return a + b;
    case Combination::least: return b < a || b != b ? b : a;
    default: return b > a || b != b ? b : a;
  }
}

// Calls body(law, sign) with both as constants, so that the walk over the pairs of a tile decides nothing.
template <class Body> __device__ __forceinline__ void with_law(Law law, float curvature, Body body) {
  auto curved = [&](auto chosen) { with_sign(curvature, [&](auto sign) { body(chosen, sign); }); };
  switch (law) {
    case Law::exterior_angle: return curved(Constant<Law::exterior_angle>());
    case Law::swapped: return curved(Constant<Law::swapped>());
    case Law::distance: return curved(Constant<Law::distance>());
    default: return body(Constant<Law::cosine>(), Constant<0>());
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

// Writes the scores of the pairs of one space in float32.
template <class LAW, class SIGN>
__device__ __forceinline__ void write_tile(char* memory, const Task& task, const Matrix& out) {
  const Space& space = task.spaces[0];
  walk_tile(memory, space.columns, space.rows, [&](const Seat& seat) {
    char* first = out.data + seat.batch * out.batch_stride + seat.walker * out.row_stride;
    return [&task, curvature = space.curvature, row_stride = out.row_stride, to = first + seat.owner * sizeof(float),
            owned = seat.owned](int, const Point& x, const Point& y, Opening<float> opening) mutable {
      float value = task.score(law<LAW::value, SIGN::value>(x, y, opening, curvature), x, y);
      if (owned) *reinterpret_cast<float*>(to) = value;
      to += row_stride;
    };
  });
}

// Joins what factor f gives for the pairs of a tile to what those before gave, which waits in `values`; the last one writes.
template <class LAW, class SIGN>
__device__ __forceinline__ void join_tile(char* memory, const Task& task, int f, const Matrix& out, float* values) {
  const Space& space = task.spaces[f];
  walk_tile(memory, space.columns, space.rows, [&](const Seat& seat) {
    char* first = out.data + seat.batch * out.batch_stride + seat.walker * out.row_stride;
    bool begun = f > 0, written = f + 1 == task.count;
    return [&, begun, written, to = first + seat.owner * size_of(out.dtype), owned = seat.owned](
               int w, const Point& x, const Point& y, Opening<float> opening) mutable {
      float value = task.score(law<LAW::value, SIGN::value>(x, y, opening, space.curvature), x, y);
      if (begun) value = combined(task.combination, values[w], value);
      if (!written) values[w] = value;
      if (written && owned) set_element(to, out.dtype, value);
      to += out.row_stride;
    };
  });
}

// Every operation on scores takes them from this one kernel, so that all agree on every pair to the last bit. The factors of
// a tile are multiplied one after the other.
__global__ void __launch_bounds__(kThreads, 2) evaluate(const __grid_constant__ Task task, Matrix out) {
  HIERGEO_DYNAMIC_SHARED(memory);
  constexpr int size = Tile::size;
  const Side &rows = task.spaces[0].rows, &columns = task.spaces[0].columns;
  int64_t row_tiles = (rows.count + size - 1) / size, column_tiles = (columns.count + size - 1) / size;
  bool plain = task.count == 1 && out.dtype == Dtype::float32;
  float values[Seats::share];
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    Place where = place_of(job, row_tiles, column_tiles, size);
    for (int f = 0; f < task.count; ++f) {
      const Space& space = task.spaces[f];
      multiply_tile(memory, space.columns, space.rows, where);
      with_law(task.law, space.curvature.value, [&](auto chosen, auto sign) {
        if (plain) return write_tile<decltype(chosen), decltype(sign)>(memory, task, out);
        join_tile<decltype(chosen), decltype(sign)>(memory, task, f, out, values);
      });
    }
  }
}

}  // namespace

void write_scores(const Launch& launch, const Scores& scores, Matrix out) {
  const Side &rows = scores.rows(), &columns = scores.columns();
  int64_t tiles = rows.batches * ceil_div(rows.count, Tile::size) * ceil_div(columns.count, Tile::size);
  launch.run(evaluate, tiles, kThreads, Shared::bytes, task_of(scores), out);
}

}  // namespace hiergeo::cuda
