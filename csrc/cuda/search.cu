// The k columns of smallest score per row. Scores of a chunk are written to a bounded buffer that stays in the cache; then a block
// per row merges its scores into the k smallest so far. Where rows are few, several blocks take a part of a row each, and their
// lists are merged.
#include "factors.cuh"
#include "nearest.cuh"
#include "ops.cuh"

namespace hiergeo::cuda {
namespace {

// Numbers to choose from, (rows, count), each row in `parts` of `part`. They are of the columns `names`, or of `first` and
// those that follow where that is null.
struct Candidates {
  const float* scores;
  const int64_t* names;
  int64_t rows, count, parts, part, first;
};

// The k smallest of every part, (rows, parts, k), by number and column; with `continued` those there already are of them.
struct Lists {
  float* values;
  int64_t* columns;
  int k, length, capacity;
  bool continued;
};

__global__ void __launch_bounds__(kThreads) select(Candidates from, Lists lists) {
  HIERGEO_DYNAMIC_SHARED(memory);
  Shortlist best(memory, lists.k, lists.length, lists.capacity);
  for (int64_t job = blockIdx.x; job < from.rows * from.parts; job += gridDim.x) {
    int64_t row = job / from.parts * from.count, begin = job % from.parts * from.part;
    int64_t end = begin + from.part < from.count ? begin + from.part : from.count;
    float* values = lists.values + job * lists.k;
    int64_t* columns = lists.columns + job * lists.k;
    best.begin([&](int i) {
      int64_t column = lists.continued ? columns[i] : kNoColumn;
      return Entry{column < 0 ? kNoKey : key_of(values[i]), column};
    });
    for (int64_t start = begin; start < end; start += kThreads) {
      int64_t c = start + threadIdx.x;
      bool present = c < end;
      int64_t name = present && from.names != nullptr ? from.names[row + c] : from.first + c;
      best.offer({present ? key_of(from.scores[row + c]) : kNoKey, name});
    }
    best.finish();
    for (int i = threadIdx.x; i < lists.k; i += kThreads) {
      values[i] = number_of(best.at(i).key);
      columns[i] = best.at(i).column;
    }
    __syncthreads();
  }
}

void run_select(const Launch& launch, const Candidates& from, const Lists& lists) {
  launch.run(select, from.rows * from.parts, kThreads, Shortlist::bytes(lists.length, lists.capacity), from, lists);
}

int power_of_two(int64_t at_least, int from) {
  while (from < at_least) from *= 2;
  return from;
}

void search_columns(const Launch& launch, const Factors& factors, int64_t k, const Tensor& values, const Tensor& columns) {
  int64_t rows = factors.rows();
  int length = power_of_two(k, 32), capacity = power_of_two(length, 2 * kThreads);
  for_each_score(launch, factors, [&](const Chunk& chunk, const float* scores) {
    int64_t count = chunk.batches * chunk.rows, place = (chunk.batch * rows + chunk.row) * k;
    Lists lists = {data<float>(values) + place, data<int64_t>(columns) + place, int(k), length, capacity, true};
    // A part is long against its list, so that merging costs less than the parts save.
    int64_t least = std::max<int64_t>(kThreads, 4 * k);
    int64_t parts = std::min(ceil_div(kFillingBlocks, count), ceil_div(chunk.columns, least));
    int64_t part = ceil_div(chunk.columns, parts);
    parts = ceil_div(chunk.columns, part);
    Candidates all = {scores, nullptr, count, chunk.columns, parts, part, chunk.column};
    if (parts == 1) return run_select(launch, all, lists);
    Tensor part_values = scratch<float>(values, count * parts * k), part_columns = scratch<int64_t>(values, count * parts * k);
    Lists of_parts = {data<float>(part_values), data<int64_t>(part_columns), int(k), length, capacity, false};
    run_select(launch, all, of_parts);
    Candidates merged = {of_parts.values, of_parts.columns, count, parts * k, 1, parts * k, 0};
    run_select(launch, merged, lists);
  });
}

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    std::vector<Tensor> exact, int64_t quantity, int64_t k, bool swap, int64_t product) {
  check_smallest({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, k, product);
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, score_of(Quantity(quantity), swap), Product::own);
  Tensor values = filled(ux[0], {factors.batches(), factors.rows(), k}, ScalarType::Float, NAN);
  Tensor columns = filled(ux[0], {factors.batches(), factors.rows(), k}, ScalarType::Long, kNoColumn);
  search_columns(launch, factors, k, values, columns);
  return {values, columns};
}

}  // namespace
}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) { m.impl("smallest", TORCH_BOX(&hiergeo::cuda::smallest)); }
