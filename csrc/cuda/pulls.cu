#include "pulls.cuh"

#include "../pair_math.h"
#include "copy.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

// One warp a row; zeros for a row that is not a number.
template <class T> __global__ void __launch_bounds__(kThreads) rays_of(Side side, T* rays) {
  int64_t total = side.batches * side.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    const char* row = side.row(i / side.count, i % side.count);
    for (int d = threadIdx.x % 32; d < side.width; d += 32) {
      double inverse = side.inverses[i];
      rays[i * side.width + d] = inverse == inverse ? T(element(row, side.dtype, d) * inverse) : T(0);
    }
  }
}

// x as T, where numbers beyond its range become its largest.
template <class T> __device__ T saturated(double x) {
  constexpr double largest = Limits<T>::largest;
  return T(x > largest ? largest : x < -largest ? -largest : x);
}

// One warp a row. Gradients of a point that is not a number are NaN.
template <class T>
__global__ void __launch_bounds__(kThreads)
    gradients_of(Side side, const double* pulls, const double* by_radius, T* direction_gradient, T* radius_gradient) {
  int64_t total = side.batches * side.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    const char* row = side.row(i / side.count, i % side.count);
    const double* pull = pulls + i * side.width;
    double inverse = side.inverses[i], along = 0;
    for (int d = threadIdx.x % 32; d < side.width; d += 32) along += pull[d] * (element(row, side.dtype, d) * inverse);
    double unknown = 0 * (inverse + double(static_cast<const Point<T>*>(side.points)[i].radial.radius));
    along = warp_sum(along) + unknown;
    for (int d = threadIdx.x % 32; d < side.width; d += 32) {
      double ray = element(row, side.dtype, d) * inverse;
      direction_gradient[i * side.width + d] = saturated<T>((pull[d] - along * ray) * inverse);
    }
    if (threadIdx.x % 32 == 0) radius_gradient[i] = saturated<T>(by_radius[i] + unknown);
  }
}

// The near pairs of a chunk seen from its rows or from its columns.
template <bool ROWS, class T> struct Neighbours {
  Chunk chunk;
  T* weights;
  const uint2* near;

  __device__ int64_t owners() const { return ROWS ? chunk.rows : chunk.columns; }
  __device__ int64_t others() const { return ROWS ? chunk.columns : chunk.rows; }
  __device__ T& weight(int64_t batch, int64_t owner, int64_t other) const {
    int64_t row = ROWS ? owner : other, column = ROWS ? other : owner;
    return weights[(batch * chunk.rows + row) * chunk.columns + column];
  }
  // Whether the pair is near, and whether its rays are opposite.
  __device__ bool has(int64_t batch, int64_t owner, int64_t other, bool& opposite) const {
    int64_t row = ROWS ? owner : other, column = ROWS ? other : owner;
    uint2 word = near[(batch * chunk.rows + row) * ((chunk.columns + 31) / 32) + column / 32];
    opposite = word.y >> (column % 32) & 1;
    return word.x >> (column % 32) & 1;
  }
};

struct Neighbour {
  int64_t other;
  double weight;
  double sign;  // of the other ray along this one
};

// One block an owner: its near pairs are listed in ascending order, up to kThreads at a time, then every thread adds
// them up for some of the numbers of the row.
template <bool ROWS, class T>
__global__ void __launch_bounds__(kThreads, 2)
    pull_near(Neighbours<ROWS, T> pairs, Side owners, Side others, int64_t first_owner, int64_t total_owners,
              double* pulls) {
  __shared__ Neighbour list[kThreads];
  __shared__ int listed[kWarps];
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int count = int(pairs.owners()), jobs = int(pairs.chunk.batches) * count;  // a chunk holds at most 2^23 pairs
  for (int job = blockIdx.x; job < jobs; job += gridDim.x) {
    int batch = job / count, owner = job % count;
    for (int64_t first = 0; first < pairs.others(); first += kThreads) {
      int64_t other = first + threadIdx.x;
      bool opposite = false;
      bool near = other < pairs.others() && pairs.has(batch, owner, other, opposite);
      unsigned mask = __ballot_sync(kWarp, near);
      if (lane == 0) listed[warp] = __popc(mask);
      __syncthreads();
      int place = __popc(mask & ((1u << lane) - 1)), length = 0;
      for (int v = 0; v < kWarps; ++v) {
        place += v < warp ? listed[v] : 0;
        length += listed[v];
      }
      if (near) {
        T& weight = pairs.weight(batch, owner, other);
        list[place] = {other, double(weight), opposite ? -1.0 : 1.0};
        if (!ROWS) weight = 0;
      }
      __syncthreads();
      if (length == 0) continue;
      double inverse = owners.inverses[owners.point(batch, owner)];
      const char* row = owners.row(batch, owner);
      double* pull = pulls + ((pairs.chunk.batch + batch) * total_owners + first_owner + owner) * owners.width;
      for (int d = threadIdx.x; d < owners.width; d += kThreads) {
        double ray = __dmul_rn(element(row, owners.dtype, d), inverse), sum = 0;
        for (int n = 0; n < length; ++n) {
          int64_t j = list[n].other;
          double other_ray =
              __dmul_rn(element(others.row(batch, j), others.dtype, d), others.inverses[others.point(batch, j)]);
          sum += list[n].weight * (other_ray - list[n].sign * ray);
        }
        pull[d] += sum;
      }  // the list is written again only after the next barrier
    }
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads) add_terms(Addition shape, const T* terms, double* sums) {
  int64_t row = shape.count * shape.width, size = shape.batches * row;
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    int64_t batch = i / row, place = i % row;
    double sum = 0;
    for (int64_t p = 0; p < shape.parts; ++p) sum += double(terms[(batch * shape.parts + p) * row + place]);
    sums[((shape.batch + batch) * shape.total + shape.first) * shape.width + place] += sum;
  }
}

// One block a row.
__global__ void __launch_bounds__(kThreads) sums_of(const double* terms, int64_t rows, int64_t columns, double* sums) {
  __shared__ double parts[kWarps];
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    double sum = 0;
    for (int64_t c = threadIdx.x; c < columns; c += kThreads) sum += terms[r * columns + c];
    sum = warp_sum(sum);
    if (threadIdx.x % 32 == 0) parts[threadIdx.x / 32] = sum;
    __syncthreads();
    if (threadIdx.x == 0) {
      for (int w = 1; w < kWarps; ++w) sum += parts[w];
      sums[r] = sum;
    }
    __syncthreads();
  }
}

template <class T>
void pull_rows_as(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, const void* weights,
                  const uint2* near, const Tensor& pulls) {
  Neighbours<true, T> pairs = {chunk, static_cast<T*>(const_cast<void*>(weights)), near};
  launch.run(pull_near<true, T>, chunk.batches * chunk.rows, kThreads, 0, pairs, rows_part(x, chunk),
             columns_part(y, chunk), chunk.row, x.count, data<double>(pulls));
}

template <class T>
void pull_columns_as(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, void* weights,
                     const uint2* near, const Tensor& pulls) {
  Neighbours<false, T> pairs = {chunk, static_cast<T*>(weights), near};
  launch.run(pull_near<false, T>, chunk.batches * chunk.columns, kThreads, 0, pairs, columns_part(y, chunk),
             rows_part(x, chunk), chunk.column, y.count, data<double>(pulls));
}

}  // namespace

void write_rays(const Launch& launch, const Side& side, const Tensor& rays) {
  int64_t blocks = ceil_div(side.batches * side.count, kWarps);
  if (side.dtype == Dtype::float64) return launch.run(rays_of<double>, blocks, kThreads, 0, side, data<double>(rays));
  launch.run(rays_of<float>, blocks, kThreads, 0, side, data<float>(rays));
}

void pull_rows(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, const void* weights,
               const uint2* near, const Tensor& pulls) {
  auto pull = x.dtype == Dtype::float64 ? pull_rows_as<double> : pull_rows_as<float>;
  pull(launch, chunk, x, y, weights, near, pulls);
}

void pull_columns(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, void* weights,
                  const uint2* near, const Tensor& pulls) {
  auto pull = x.dtype == Dtype::float64 ? pull_columns_as<double> : pull_columns_as<float>;
  pull(launch, chunk, x, y, weights, near, pulls);
}

template <class T> void add_parts(const Launch& launch, Addition shape, const T* terms, double* sums) {
  launch.run(add_terms<T>, ceil_div(shape.batches * shape.count * shape.width, kThreads), kThreads, 0, shape, terms,
             sums);
}
template void add_parts(const Launch&, Addition, const float*, double*);
template void add_parts(const Launch&, Addition, const double*, double*);

void write_gradients(const Launch& launch, const Side& side, const Tensor& pulls, const Tensor& by_radius,
                     const Tensor& direction_gradient, const Tensor& radius_gradient) {
  auto write = [&](auto number) {
    using T = decltype(number);
    launch.run(gradients_of<T>, ceil_div(side.batches * side.count, kWarps), kThreads, 0, side, data<double>(pulls),
               data<double>(by_radius), data<T>(direction_gradient), data<T>(radius_gradient));
  };
  if (side.dtype == Dtype::float64) return write(double());
  write(float());
}

void sum_rows(const Launch& launch, const Tensor& terms, const Tensor& sums) {
  launch.run(sums_of, terms.size(0), kThreads, 0, data<double>(terms), terms.size(0), terms.size(1),
             data<double>(sums));
}

}  // namespace hiergeo::cuda
