// The candidate of largest cosine within every prefix of an order, all prefixes in one pass. Cosines of a chunk are
// written to a bounded buffer; then one block per query scans its row.
#include <algorithm>

#include "chunks.cuh"
#include "copy.cuh"
#include "ops.cuh"
#include "rows.cuh"
#include "scores.cuh"

namespace hiergeo::cuda {
namespace {

// A cosine and its candidate; the larger cosine is better, then the lower index. Nothing is worse than anything.
template <class T> struct Best {
  T cosine;
  int64_t index;

  static __device__ Best nothing() { return {T(-INFINITY), -1}; }
  __device__ void take(Best other) {
    bool better = other.cosine > cosine || (other.cosine == cosine && other.index < index);
    if (other.index >= 0 && (index < 0 || better)) *this = other;
  }
};

template <class T> __device__ Best<T> from_lane_below(Best<T> own, int distance) {
  Best<T> other;
  other.cosine = __shfl_up_sync(kWarp, own.cosine, distance);
  other.index = __shfl_up_sync(kWarp, own.index, distance);
  return other;
}

// The best of all threads up to this one; `warps` holds one entry per warp.
template <class T> __device__ Best<T> best_up_to(Best<T> own, Best<T>* warps) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  for (int distance = 1; distance < 32; distance *= 2) {
    Best<T> other = from_lane_below(own, distance);
    if (lane >= distance) own.take(other);
  }
  if (lane == 31) warps[warp] = own;
  __syncthreads();
  for (int w = 0; w < warp; ++w) own.take(warps[w]);
  __syncthreads();
  return own;
}

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
// candidates before, per query. An end e takes the best of the first e candidates.
template <class T>
__global__ void __launch_bounds__(kThreads)
    scan(const T* cosines, int64_t row, int64_t rows, int64_t first, int64_t columns, const int64_t* order,
         const int64_t* ends, int64_t thresholds, Best<T>* carried, int64_t* indices, T* found) {
  __shared__ Best<T> warps[kThreads / 32], last;
  __shared__ Best<T> prefix[kThreads];
  for (int64_t r = blockIdx.x; r < rows; r += gridDim.x) {
    Best<T> before = first > 0 ? carried[row + r] : Best<T>::nothing();
    int64_t* result = indices + (row + r) * thresholds;
    T* cosine = found + (row + r) * thresholds;
    int64_t next = ends_within(ends, thresholds, first);
    for (int64_t begin = 0; begin < columns; begin += kThreads) {
      int64_t c = begin + threadIdx.x;
      Best<T> own = Best<T>::nothing();
      if (c < columns && !isnan(cosines[r * columns + c])) own = {cosines[r * columns + c], order[first + c]};
      own = best_up_to(own, warps);
      own.take(before);
      prefix[threadIdx.x] = own;
      if (threadIdx.x == kThreads - 1) last = own;
      __syncthreads();
      before = last;
      int64_t end = begin + kThreads < columns ? begin + kThreads : columns;
      int64_t reached = ends_within(ends, thresholds, first + end);
      for (int64_t t = next + threadIdx.x; t < reached; t += kThreads) {
        Best<T> best = prefix[ends[t] - 1 - (first + begin)];
        result[t] = best.index;
        cosine[t] = best.index < 0 ? T(NAN) : best.cosine;
      }
      next = reached;
      __syncthreads();
    }
    if (threadIdx.x == 0) carried[row + r] = before;
    __syncthreads();
  }
}

template <class T> __global__ void __launch_bounds__(kThreads) find_nothing(int64_t* indices, T* cosines, int64_t size) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    indices[i] = -1;
    cosines[i] = T(NAN);
  }
}

template <class T>
void ladder_as(const Launch& launch, const Tensor& queries, const Tensor& candidates, const Tensor& order,
               const Tensor& ends, const Tensor& indices, const Tensor& found) {
  int64_t rows = queries.size(0), width = queries.size(1), columns = order.size(0), thresholds = ends.size(0);
  int64_t element_size = size_of(dtype_of(candidates));
  int64_t widest = std::min({columns, kWidestChunk, rows_of_chunk(width, 2 * element_size)});
  launch.run(find_nothing<T>, ceil_div(rows * thresholds, kThreads), kThreads, 0, data<int64_t>(indices), data<T>(found),
             rows * thresholds);
  if (rows == 0 || columns == 0 || thresholds == 0) return;
  Prepared x = prepare(launch, torch::stable::unsqueeze(queries, 0), nullptr, nullptr, 0);
  int64_t height = std::min(rows, rows_of_chunk(widest, sizeof(T)));
  Tensor cosines = chunk_memory(queries, 1, height, widest, sizeof(T)), best = scratch<Best<T>>(queries, rows);
  Tensor choices = torch::stable::unsqueeze(candidates, 0);
  for (int64_t first = 0; first < columns; first += widest) {
    int64_t count = std::min(widest, columns - first);
    Tensor gathered = copy_of_rows(launch, choices, data<int64_t>(order) + first, count,
                                   whole_words(x.side.kind(), width));
    Prepared y = prepare(launch, gathered, nullptr, nullptr, 0);
    for (int64_t row = 0; row < rows; row += height) {
      int64_t present = std::min(height, rows - row);
      Dtype dtype = sizeof(T) == 4 ? Dtype::float32 : Dtype::float64;
      write_scores(launch, Law::cosine, Finish::plain, part(x.side, 0, 1, row, present), y.side, 0,
                   {data<char>(cosines), dtype, 0, count * int64_t(sizeof(T))});
      launch.run(scan<T>, present, kThreads, 0, data<T>(cosines), row, present, first, count, data<int64_t>(order),
                 data<int64_t>(ends), thresholds, data<Best<T>>(best), data<int64_t>(indices), data<T>(found));
    }
  }
}

}  // namespace

std::tuple<Tensor, Tensor> ladder(Tensor queries, Tensor candidates, std::optional<Tensor>, Tensor order, Tensor ends,
                                  int64_t) {
  STD_TORCH_CHECK(queries.scalar_type() == candidates.scalar_type(), "queries and candidates must share one dtype");
  Launch launch(queries);
  Tensor indices = empty(queries, {queries.size(0), ends.size(0)}, ScalarType::Long);
  Tensor cosines = empty(queries, {queries.size(0), ends.size(0)}, compute_type(queries));
  auto search = is_wide(queries) ? ladder_as<double> : ladder_as<float>;
  search(launch, queries, candidates, torch::stable::contiguous(order), torch::stable::contiguous(ends), indices, cosines);
  return {indices, cosines};
}

}  // namespace hiergeo::cuda
