#include "scores.cuh"

#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

// One factor as kernels take it.
template <class T> struct Space {
  Side rows, columns;
  Curvature<T> curvature;
  int sign;
};

// Scores as kernels take them.
template <class T> struct Task {
  Law law;
  T slope, share, floor;
  Combination combination;
  int count;
  Space<T> spaces[kMostFactors];

  // What is made of the value of a law, for points of rows and columns.
  __device__ T score(T value, const Point<T>& row, const Point<T>& column) const {
    value = value * slope + (row.number + column.number) * share;
    return value < floor ? floor : value;
  }
};

constexpr size_t kMostParameters = 4096;  // bytes, before CUDA 12.1
static_assert(sizeof(Task<double>) + sizeof(Matrix) <= kMostParameters, "fewer factors fit the parameters of a kernel");

template <class T> Task<T> task_of(const Scores& scores) {
  const Formula& formula = scores.formula;
  Task<T> task = {formula.law,  T(formula.slope), T(formula.share), T(formula.floor), formula.combination,
                  scores.count, {}};
  for (int f = 0; f < scores.count; ++f) {
    const Factor& factor = scores.factors[f];
    double k = factor.curvature;
    task.spaces[f] = {factor.rows, factor.columns, Curvature<T>(k), formula.law == Law::cosine ? 0 : (k > 0) - (k < 0)};
  }
  return task;
}

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

// Two values as one; NaN where either is.
template <class T> __device__ T combined(Combination combination, T a, T b) {
  switch (combination) {
    case Combination::l2: return hypotenuse(a, b);
    case Combination::l1: return a + b;
    case Combination::least: return b < a || b != b ? b : a;
    default: return b > a || b != b ? b : a;
  }
}

// Calls body(law, sign) with both as constants, so that the walk over the pairs of a tile decides nothing.
template <Law LAW, class Body> __device__ void with_sign_of(int sign, Body body) {
  switch (sign) {
    case -1: return body(Constant<LAW>(), Constant<-1>());
    case 0: return body(Constant<LAW>(), Constant<0>());
    default: return body(Constant<LAW>(), Constant<1>());
  }
}
template <class Body> __device__ void with_law(Law law, int sign, Body body) {
  switch (law) {
    case Law::exterior_angle: return with_sign_of<Law::exterior_angle>(sign, body);
    case Law::swapped: return with_sign_of<Law::swapped>(sign, body);
    case Law::distance: return with_sign_of<Law::distance>(sign, body);
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

template <class T> constexpr Dtype kDtype = std::is_same<T, double>::value ? Dtype::float64 : Dtype::float32;

// Writes the scores of the pairs of one space in their own dtype.
template <Kind KIND, class LAW, class SIGN, class T = Compute<KIND>>
__device__ __forceinline__ void write_tile(char* memory, const Task<T>& task, const Matrix& out) {
  const Space<T>& space = task.spaces[0];
  walk_tile<KIND>(memory, space.columns, space.rows, [&](const Seat& seat) {
    char* first = out.data + seat.batch * out.batch_stride + seat.walker * out.row_stride;
    return [&task, curvature = space.curvature, row_stride = out.row_stride, to = first + seat.owner * sizeof(T),
            owned = seat.owned](int, const Point<T>& x, const Point<T>& y, Opening<T> opening) mutable {
      T value = task.score(law<LAW::value, SIGN::value>(x, y, opening, curvature), x, y);
      if (owned) *reinterpret_cast<T*>(to) = value;
      to += row_stride;
    };
  });
}

// Joins what factor f gives for the pairs of a tile to what those before gave, which waits in `values`; the last one writes.
template <Kind KIND, class LAW, class SIGN, class T = Compute<KIND>>
__device__ __forceinline__ void join_tile(char* memory, const Task<T>& task, int f, const Matrix& out, T* values) {
  const Space<T>& space = task.spaces[f];
  walk_tile<KIND>(memory, space.columns, space.rows, [&](const Seat& seat) {
    char* first = out.data + seat.batch * out.batch_stride + seat.walker * out.row_stride;
    bool begun = f > 0, written = f + 1 == task.count;
    return [&, begun, written, to = first + seat.owner * size_of(out.dtype), owned = seat.owned](
               int w, const Point<T>& x, const Point<T>& y, Opening<T> opening) mutable {
      T value = task.score(law<LAW::value, SIGN::value>(x, y, opening, space.curvature), x, y);
      if (begun) value = combined(task.combination, values[w], value);
      if (!written) values[w] = value;
      if (written && owned) set_element(to, out.dtype, 0, value);
      to += out.row_stride;
    };
  });
}

// Every operation on scores takes them from this one kernel, so that all agree on every pair to the last bit. The factors of
// a tile are multiplied one after the other.
template <Kind KIND, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, kBlocks<KIND>) evaluate(const __grid_constant__ Task<T> task, Matrix out) {
  HIERGEO_DYNAMIC_SHARED(memory);
  constexpr int size = Tile<T>::size;
  const Side &rows = task.spaces[0].rows, &columns = task.spaces[0].columns;
  int64_t row_tiles = (rows.count + size - 1) / size, column_tiles = (columns.count + size - 1) / size;
  bool plain = task.count == 1 && out.dtype == kDtype<T>;
  T values[Seats<T>::share];
  for (int64_t job = blockIdx.x; job < rows.batches * row_tiles * column_tiles; job += gridDim.x) {
    Place where = place_of(job, row_tiles, column_tiles, size);
    for (int f = 0; f < task.count; ++f) {
      const Space<T>& space = task.spaces[f];
      multiply_tile<KIND>(memory, space.columns, space.rows, where);
      with_law(task.law, space.sign, [&](auto chosen, auto sign) {
        if (plain) return write_tile<KIND, decltype(chosen), decltype(sign)>(memory, task, out);
        join_tile<KIND, decltype(chosen), decltype(sign)>(memory, task, f, out, values);
      });
    }
  }
}

}  // namespace

void write_scores(const Launch& launch, const Scores& scores, Matrix out) {
  with_product(scores.rows().kind(), [&](auto kind) {
    constexpr Kind KIND = decltype(kind)::value;
    using T = Compute<KIND>;
    constexpr int size = Tile<T>::size;
    int64_t tiles = scores.rows().batches * ceil_div(scores.rows().count, size) * ceil_div(scores.columns().count, size);
    launch.run(evaluate<KIND>, tiles, kThreads, Shared<T>::bytes, task_of<T>(scores), out);
  });
}

}  // namespace hiergeo::cuda
