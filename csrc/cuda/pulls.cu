#include "pulls.cuh"

#include "../pair_math.h"
#include "copy.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

// One warp a row; zeros for a row that is not a number.
__global__ void __launch_bounds__(kThreads) rays_of(Side side, float* rays) {
  int64_t total = side.batches * side.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    const char* row = side.row(i / side.count, i % side.count);
    for (int d = threadIdx.x % 32; d < side.width; d += 32) {
      double inverse = side.inverses[i].row;
      rays[i * side.width + d] = inverse == inverse ? float(element(row, side.dtype, d) * inverse) : 0.0f;
    }
  }
}

// x as float, where numbers beyond its range become its largest.
__device__ float saturated(double x) {
  constexpr double largest = Limits<float>::largest;
  return float(x > largest ? largest : x < -largest ? -largest : x);
}

// One warp a row. Gradients of a point that is not a number are NaN.
__global__ void __launch_bounds__(kThreads)
    gradients_of(Side side, const double* pulls, const double* by_radius, float* direction_gradient, float* radius_gradient) {
  int64_t total = side.batches * side.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    const char* row = side.row(i / side.count, i % side.count);
    const double* pull = pulls + i * side.width;
    double inverse = side.inverses[i].row, along = 0;
    for (int d = threadIdx.x % 32; d < side.width; d += 32) along += pull[d] * (element(row, side.dtype, d) * inverse);
    double unknown = 0 * (inverse + double(static_cast<const Point*>(side.points)[i].radial.radius));
    along = warp_sum(along) + unknown;
    for (int d = threadIdx.x % 32; d < side.width; d += 32) {
      double ray = element(row, side.dtype, d) * inverse;
      direction_gradient[i * side.width + d] = saturated((pull[d] - along * ray) * inverse);
    }
    if (threadIdx.x % 32 == 0) radius_gradient[i] = saturated(by_radius[i] + unknown);
  }
}

struct Neighbour {
  int64_t other;
  double weight, sign;
};

// The weights of a chunk seen from one side.
struct WeightsOf {
  float* weights;
  int64_t owner_stride, other_stride, batch_stride;
  bool take;  // whether the weights of near pairs become 0
};

// How many of the threads before this one of the block count, and how many all do; `warps` has a place per warp.
__device__ inline int counted_before(int count, int* warps, int& total) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, before = count;
  for (int reach = 1; reach < 32; reach *= 2) {
    int other = __shfl_up_sync(kWarp, before, reach);
    before += lane >= reach ? other : 0;
  }
  if (lane == 31) warps[warp] = before;
  __syncthreads();
  before -= count;
  total = 0;
  for (int v = 0; v < kWarps; ++v) {
    before += v < warp ? warps[v] : 0;
    total += warps[v];
  }
  return before;
}

// One block an owner. Each thread reads a word of near pairs; they are listed in ascending order, kThreads at a time, then
// every thread adds them up for some of the numbers of the row.
__global__ void __launch_bounds__(kThreads, 2)
    pull_near(NearWords near, WeightsOf weights, Side owners, Side others, int64_t first_batch, int64_t first_owner,
              int64_t total_owners, double* pulls) {
  __shared__ Neighbour list[kThreads];
  __shared__ int counts[kWarps];
  int64_t jobs = owners.batches * owners.count;
  for (int64_t job = blockIdx.x; job < jobs; job += gridDim.x) {
    int64_t batch = job / owners.count, owner = job % owners.count;
    const uint2* words = near.words + batch * near.batch_stride + owner * near.owner_stride;
    float* own_weights = weights.weights + batch * weights.batch_stride + owner * weights.owner_stride;
    const bool exact = are_exact(owners, others);
    double* pull = pulls + ((first_batch + batch) * total_owners + first_owner + owner) * owners.width;
    for (int64_t begin = 0; begin < near.count; begin += kThreads) {
      int64_t w = begin + threadIdx.x;
      uint2 word = w < near.count ? words[w * near.word_stride] : uint2{0, 0};
      if (__syncthreads_count(word.x != 0) == 0) continue;
      int length, place = counted_before(__popc(word.x), counts, length);
      for (int done = 0; done < length; done += kThreads) {
        for (; word.x != 0 && place < done + kThreads; word.x &= word.x - 1, ++place) {
          int bit = __ffs(word.x) - 1;
          int64_t other = w * 32 + bit;
          float& weight = own_weights[other * weights.other_stride];
          list[place - done] = {other, double(weight), word.y >> bit & 1 ? -1.0 : 1.0};
          if (weights.take) weight = 0;
        }
        __syncthreads();
        int listed = length - done < kThreads ? length - done : kThreads;
        for (int d = threadIdx.x; d < owners.width; d += kThreads) {
          double ray = ray_number(owners, batch, owner, d, exact), sum = 0;
          for (int n = 0; n < listed; ++n) {
            int64_t j = list[n].other;
            sum += list[n].weight * (ray_number(others, batch, j, d, exact) - list[n].sign * ray);
          }
          pull[d] += sum;
        }
        __syncthreads();
      }
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

}  // namespace

void write_rays(const Launch& launch, const Side& side, const Tensor& rays) {
  launch.run(rays_of, ceil_div(side.batches * side.count, kWarps), kThreads, 0, side, data<float>(rays));
}

void pull_rows(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, float* weights, const NearWords& near,
               const Tensor& pulls) {
  WeightsOf of_rows = {weights, chunk.columns, 1, chunk.rows * chunk.columns, false};
  launch.run(pull_near, chunk.batches * chunk.rows, kThreads, 0, near, of_rows, rows_part(x, chunk),
             columns_part(y, chunk), chunk.batch, chunk.row, x.count, data<double>(pulls));
}

void pull_columns(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, float* weights,
                  const NearWords& near, const Tensor& pulls) {
  WeightsOf of_columns = {weights, 1, chunk.columns, chunk.rows * chunk.columns, true};
  launch.run(pull_near, chunk.batches * chunk.columns, kThreads, 0, near, of_columns, columns_part(y, chunk),
             rows_part(x, chunk), chunk.batch, chunk.column, y.count, data<double>(pulls));
}

template <class T> void add_parts(const Launch& launch, Addition shape, const T* terms, double* sums) {
  launch.run(add_terms<T>, ceil_div(shape.batches * shape.count * shape.width, kThreads), kThreads, 0, shape, terms,
             sums);
}
template void add_parts(const Launch&, Addition, const float*, double*);
template void add_parts(const Launch&, Addition, const double*, double*);

void write_gradients(const Launch& launch, const Side& side, const Tensor& pulls, const Tensor& by_radius,
                     const Tensor& direction_gradient, const Tensor& radius_gradient) {
  launch.run(gradients_of, ceil_div(side.batches * side.count, kWarps), kThreads, 0, side, data<double>(pulls),
             data<double>(by_radius), data<float>(direction_gradient), data<float>(radius_gradient));
}

}  // namespace hiergeo::cuda
