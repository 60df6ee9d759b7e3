// The candidate of largest cosine, or of smallest distance, within every prefix of an order, all prefixes in one pass. Scores
// of a chunk are written to a bounded buffer; then one block per query scans its row.
#include <algorithm>

#include "copy.cuh"
#include "factors.cuh"
#include "ops.cuh"

namespace hiergeo::cuda {
namespace {

// A score and its candidate; the smaller score is better, then the lower index. Nothing is worse than anything.
struct Best {
  float score;
  int64_t index;

  static __device__ Best nothing() { return {INFINITY, -1}; }
  __device__ void take(Best other) {
    bool better = other.score < score || (other.score == score && other.index < index);
    if (other.index >= 0 && (index < 0 || better)) *this = other;
  }
};

__device__ Best from_lane_below(Best own, int distance) {
  Best other;
  other.score = __shfl_up_sync(kWarp, own.score, distance);
  other.index = __shfl_up_sync(kWarp, own.index, distance);
  return other;
}

// The best of all threads up to this one; `warps` holds one entry per warp.
__device__ Best best_up_to(Best own, Best* warps) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int distance = 1; distance < 32; distance *= 2) {
    Best other = from_lane_below(own, distance);
    if (lane >= distance) own.take(other);
  }
  if (lane == 31) warps[warp] = own;
  __syncthreads();
  for (int w = 0; w < warp; ++w) own.take(warps[w]);
  __syncthreads();
  return own;
}

__device__ inline bool is_within(int64_t index, int64_t size) { return 0 <= index && index < size; }

// The number of ends that are at most `position`.
__device__ inline int64_t ends_within(const int64_t* ends, int64_t count, int64_t position) {
  int64_t low = 0, high = count;
  while (low < high) {
    int64_t middle = (low + high) / 2;
    if (ends[middle] <= position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

// Scans candidates [first, first + columns) of the order for queries [row, row + rows). `carried` is the best of the
// candidates before, per query. An end e takes the best of the first e candidates; `sign` times its score is returned. The host
// does not read the order and the ends: entries beyond the `size` candidates or the columns are left out.
__global__ void __launch_bounds__(kThreads)
    scan(const float* scores, int64_t row, int64_t rows, int64_t first, int64_t columns, const int64_t* order,
         int64_t size, const int64_t* ends, int64_t thresholds, Best* carried, float sign, int64_t* indices, float* values) {
  __shared__ Best warps[kThreads / 32], last;
  __shared__ Best prefix[kThreads];
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    Best before = first > 0 ? carried[row + r] : Best::nothing();
    int64_t* index = indices + (row + r) * thresholds;
    float* value = values + (row + r) * thresholds;
    int64_t next = ends_within(ends, thresholds, first);
    for (int64_t begin = 0; begin < columns; begin += kThreads) {
      int64_t c = begin + threadIdx.x;
      Best own = Best::nothing();
      if (c < columns && is_within(order[first + c], size) && !isnan(scores[r * columns + c])) {
        own = {scores[r * columns + c], order[first + c]};
      }
      own = best_up_to(own, warps);
      own.take(before);
      prefix[threadIdx.x] = own;
      if (threadIdx.x == kThreads - 1) last = own;
      __syncthreads();
      before = last;
      int64_t end = begin + kThreads < columns ? begin + kThreads : columns;
      int64_t reached = ends_within(ends, thresholds, first + end);
      for (int64_t t = next + threadIdx.x; t < reached; t += kThreads) {
        int64_t place = ends[t] - 1 - (first + begin);
        if (!is_within(place, kThreads)) continue;
        Best best = prefix[place];
        index[t] = best.index;
        value[t] = best.index < 0 ? NAN : sign * best.score;
      }
      next = reached;
      __syncthreads();
    }
    if (threadIdx.x == 0) carried[row + r] = before;
    __syncthreads();
  }
}

std::tuple<Tensor, Tensor> climb(const Launch& launch, const Factors& factors, float sign, const Tensor& order,
                                 const Tensor& ends) {
  Tensor places = torch::stable::contiguous(order), stops = torch::stable::contiguous(ends);
  int64_t rows = factors.rows(), columns = order.size(0), thresholds = ends.size(0);
  Tensor indices = filled(factors.like(), {rows, thresholds}, ScalarType::Long, -1);
  Tensor values = filled(factors.like(), {rows, thresholds}, ScalarType::Float, NAN);
  if (rows == 0 || columns == 0 || thresholds == 0) return {indices, values};
  int64_t widest = std::min({columns, kWidestChunk, factors.widest_copy()});
  int64_t height = std::min(rows, rows_of_chunk(widest));
  Tensor memory = chunk_memory(indices, 1, height, widest), best = scratch<Best>(indices, rows);
  for (int64_t first = 0; first < columns; first += widest) {
    int64_t count = std::min(widest, columns - first);
    Columns listed = factors.ready({first, count, const_data<int64_t>(places), 0, factors.columns()});
    Scores scores = factors.scores(listed);
    for (int64_t row = 0; row < rows; row += height) {
      int64_t present = std::min(height, rows - row);
      write_scores(launch, part(scores, {0, 1, row, present, 0, count}), matrix_of(memory, present, count));
      launch.run(scan, present, kThreads, 0, const_data<float>(memory), row, present, first, count,
                 const_data<int64_t>(places), factors.columns(), const_data<int64_t>(stops), thresholds, data<Best>(best),
                 sign, data<int64_t>(indices), data<float>(values));
    }
  }
  return {indices, values};
}

std::tuple<Tensor, Tensor> nearest_ladder(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                          std::vector<Tensor> ry, std::vector<double> curvature,
                                          std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor order, Tensor ends,
                                          int64_t product) {
  check_nearest_ladder({ux, rx, uy, ry, curvature, aperture, exact, quantity}, order, ends, product);
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, score_of(Quantity(quantity), false), Product::own);
  return climb(launch, factors, 1, order, ends);
}

std::tuple<Tensor, Tensor> ladder(Tensor queries, Tensor candidates, std::optional<Tensor> norms, Tensor order, Tensor ends,
                                  int64_t product) {
  check_ladder(queries, candidates, norms, order, ends, product);
  Launch launch(queries);
  Operands operands = {{torch::stable::unsqueeze(queries, 0)}, {}, {torch::stable::unsqueeze(candidates, 0)}, {}, {0}, {}};
  std::optional<Tensor> known;
  if (norms) known = torch::stable::unsqueeze(*norms, 0);
  Factors factors(launch, operands, {Law::cosine, -1}, Product::own, known ? &*known : nullptr);
  return climb(launch, factors, -1, order, ends);
}

}  // namespace
}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) {
  m.impl("nearest_ladder", TORCH_BOX(&hiergeo::cuda::nearest_ladder));
  m.impl("ladder", TORCH_BOX(&hiergeo::cuda::ladder));
}
