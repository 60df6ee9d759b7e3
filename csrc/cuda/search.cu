// The k columns of smallest exterior angle per row. Scores of a chunk are written to a bounded buffer that stays in the
// cache; then one block per row merges its scores into the k smallest so far.
#include "chunks.cuh"
#include "nearest.cuh"
#include "ops.cuh"
#include "scores.cuh"

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
void smallest_as(const Launch& launch, const Prepared& x, const Prepared& y, double curvature, Law law, Finish finish,
                 int64_t k, const Tensor& values, const Tensor& columns) {
  int64_t batches = x.side.batches, rows = x.side.count, lists = batches * rows * k;
  launch.run(begin_lists<T>, ceil_div(lists, kThreads), kThreads, 0, lists, data<T>(values), data<int64_t>(columns));
  int length = power_of_two(k, 32), capacity = power_of_two(length, 2 * kThreads);
  Tensor memory = chunk_memory(values, batches, rows, y.side.count, sizeof(T));
  for_each_chunk(batches, rows, y.side.count, sizeof(T), [&](const Chunk& chunk) {
    Dtype dtype = sizeof(T) == 4 ? Dtype::float32 : Dtype::float64;
    int64_t row = chunk.columns * int64_t(sizeof(T));
    Matrix scores = {data<char>(memory), dtype, chunk.rows * row, row};
    write_scores(launch, law, finish, rows_part(x.side, chunk), columns_part(y.side, chunk), curvature, scores);
    launch.run(select<T>, chunk.batches * chunk.rows, kThreads, Shortlist::bytes(length, capacity),
               const_data<T>(memory), chunk, rows, int(k), length, capacity, data<T>(values),
               data<int64_t>(columns));
  });
}

}  // namespace

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    int64_t quantity, int64_t k, bool swap, int64_t) {
  STD_TORCH_CHECK(0 < k && k <= kMostNeighbours, "k must be between 1 and ", kMostNeighbours, " on CUDA, not ", k);
  const bool margin = Quantity(quantity) == Quantity::cone_margin;
  STD_TORCH_CHECK(ux.size() == 1 && !is_distance(Quantity(quantity)) && (swap || !margin),
                  "only angles, and margins of an apex y, are searched on CUDA");
  const Tensor &u = ux[0], &v = uy[0];
  Launch launch(u);
  Prepared x = prepare(launch, u, &rx[0], nullptr, curvature[0]);
  Prepared y = prepare(launch, v, &ry[0], margin ? &aperture[0] : nullptr, curvature[0]);
  Tensor values = empty(u, {u.size(0), u.size(1), k}, compute_type(u));
  Tensor columns = empty(u, {u.size(0), u.size(1), k}, ScalarType::Long);
  auto search = is_wide(u) ? smallest_as<double> : smallest_as<float>;
  search(launch, x, y, curvature[0], swap ? Law::swapped : Law::exterior_angle,
         margin ? Finish::less_offset : Finish::plain, k, values, columns);
  return {values, columns};
}

}  // namespace hiergeo::cuda
