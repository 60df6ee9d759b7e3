// The k columns of smallest score per row. Scores of a chunk are written to a bounded buffer that stays in the cache; then one
// block per row merges its scores into the k smallest so far.
#include "factors.cuh"
#include "nearest.cuh"
#include "ops.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int64_t kMostNeighbours = 1024;

template <class T>
__global__ void __launch_bounds__(kThreads) begin_lists(int64_t size, T* values, int64_t* columns) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    values[i] = T(NAN);
    columns[i] = kNoColumn;
  }
}

// values and columns are (B, N, k), `total_rows` = N; scores are those of the chunk.
template <class T>
__global__ void __launch_bounds__(kThreads)
    select(const T* scores, Chunk chunk, int64_t total_rows, int k, int length, int capacity, T* values,
           int64_t* columns) {
  HIERGEO_DYNAMIC_SHARED(memory);
  Shortlist best(memory, k, length, capacity);
  for (int64_t r = blockIdx.x; r < chunk.batches * chunk.rows; r += gridDim.x) {
    int64_t row = (chunk.batch + r / chunk.rows) * total_rows + chunk.row + r % chunk.rows;
    best.begin([&](int i) {
      int64_t column = columns[row * k + i];
      return Entry{column < 0 ? kNoKey : key_of(values[row * k + i]), column};
    });
    for (int64_t first = 0; first < chunk.columns; first += kThreads) {
      int64_t c = first + threadIdx.x;
      best.offer({c < chunk.columns ? key_of(scores[r * chunk.columns + c]) : kNoKey, chunk.column + c});
    }
    best.finish();
    for (int i = threadIdx.x; i < k; i += kThreads) {
      values[row * k + i] = number_of<T>(best.at(i).key);
      columns[row * k + i] = best.at(i).column;
    }
    __syncthreads();
  }
}

int power_of_two(int64_t at_least, int from) {
  while (from < at_least) from *= 2;
  return from;
}

template <class T>
void smallest_as(const Launch& launch, const Factors& factors, int64_t k, const Tensor& values, const Tensor& columns) {
  int64_t rows = factors.rows(), lists = factors.batches() * rows * k;
  launch.run(begin_lists<T>, ceil_div(lists, kThreads), kThreads, 0, lists, data<T>(values), data<int64_t>(columns));
  int length = power_of_two(k, 32), capacity = power_of_two(length, 2 * kThreads);
  for_each_score<T>(launch, factors, [&](const Chunk& chunk, const T* scores) {
    launch.run(select<T>, chunk.batches * chunk.rows, kThreads, Shortlist::bytes(length, capacity), scores, chunk, rows,
               int(k), length, capacity, data<T>(values), data<int64_t>(columns));
  });
}

}  // namespace

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    int64_t quantity, int64_t k, bool swap, int64_t) {
  STD_TORCH_CHECK(0 < k && k <= kMostNeighbours, "k must be between 1 and ", kMostNeighbours, " on CUDA, not ", k);
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture}, score_of(Quantity(quantity), swap), Product::own);
  Tensor values = empty(ux[0], {factors.batches(), factors.rows(), k}, factors.compute_type());
  Tensor columns = empty(ux[0], {factors.batches(), factors.rows(), k}, ScalarType::Long);
  auto search = factors.is_wide() ? smallest_as<double> : smallest_as<float>;
  search(launch, factors, k, values, columns);
  return {values, columns};
}

}  // namespace hiergeo::cuda
