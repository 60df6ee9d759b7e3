// How many columns of each row come before a bound: those within a distance, those in a cone of a product, those before a
// given column in the order of a search. Scores are written chunk by chunk to a bounded buffer, by the kernel that every other
// search takes them from, so that a rank is the place in `smallest` to the last bit, and counts hold what it finds.
#include "factors.cuh"
#include "ops.cuh"
#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

// What comes before: smaller scores, and equal ones at columns below `column`.
struct Bound {
  float score;
  int64_t column;

  __device__ bool follows(float other, int64_t place) const { return other < score || (other == score && place < column); }
};

constexpr int64_t kEveryColumn = INT64_MAX;

// float32 distances within a float64 reach are those up to the largest float32 that is within it. Margins >= 0 are scores <= 0.
__global__ void __launch_bounds__(kThreads)
    bound_by_reach(const double* reach, int64_t rows, Bound* bounds, int64_t* counts) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    double most = reach == nullptr ? 0.0 : reach[i];
    float score = float(most);
    bounds[i] = {double(score) > most ? nextafterf(score, -INFINITY) : score, kEveryColumn};
    counts[i] = 0;
  }
}

// `scores` are those of blocks of `size` rows with the `size` targets of the same rows: each row's own is on the diagonal. Rows
// whose target is no number begin, and stay, at -1.
__global__ void __launch_bounds__(kThreads)
    bound_by_targets(const float* scores, int64_t rows, int64_t size, const int64_t* targets, Bound* bounds,
                     int64_t* counts) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    float own = scores[i * size + i % size];
    bounds[i] = {own, targets[i]};
    counts[i] = isnan(own) ? -1 : 0;
  }
}

// Adds to the counts of the rows of a chunk, `parts` blocks a row; bounds and counts are (B, N), `total_rows` = N.
__global__ void __launch_bounds__(kThreads)
    count_before(const float* scores, Chunk chunk, int64_t total_rows, int64_t parts, const Bound* bounds, int64_t* counts) {
  for (int64_t job = blockIdx.x; job < chunk.batches * chunk.rows * parts; job += gridDim.x) {
    int64_t r = job / parts, first = job % parts * kThreads;
    int64_t row = (chunk.batch + r / chunk.rows) * total_rows + chunk.row + r % chunk.rows;
    Bound bound = bounds[row];
    int found = 0;
    for (int64_t c = first + threadIdx.x; c < chunk.columns; c += parts * kThreads) {
      found += bound.follows(scores[r * chunk.columns + c], chunk.column + c);
    }
    for (int reach = 16; reach > 0; reach /= 2) found += __shfl_xor_sync(kWarp, found, reach);
    if (threadIdx.x % 32 == 0 && found > 0) {
      atomicAdd(reinterpret_cast<unsigned long long*>(counts + row), static_cast<unsigned long long>(found));
    }
  }
}

class Counting {
 public:
  Counting(const Launch& launch, const Factors& factors)
      : launch_(launch),
        factors_(factors),
        result_(empty(factors.like(), {factors.batches(), factors.rows()}, ScalarType::Long)),
        memory_(scratch<Bound>(result_, factors.batches() * factors.rows())),
        counts_(data<int64_t>(result_)),
        bounds_(data<Bound>(memory_)) {}

  Tensor within(const double* reach) const {
    int64_t rows = factors_.batches() * factors_.rows();
    launch_.run(bound_by_reach, ceil_div(rows, kThreads), kThreads, 0, reach, rows, bounds_, counts_);
    return counted();
  }

  // The score of a target comes from the kernel that the scores it is compared with come from: of a tile of rows and as many
  // targets, of which each row needs its own.
  Tensor before(const int64_t* targets) const {
    constexpr int64_t size = Tile::size;
    int64_t rows = factors_.rows(), most = std::max<int64_t>(1, factors_.widest_copy() / size) * size;
    int64_t together = std::min(rows_of_chunk(size * size), ceil_div(rows, size));
    Tensor memory = scratch<float>(factors_.like(), together * size * size);
    for (int64_t first = 0; first < rows; first += most) {
      int64_t end = std::min(first + most, rows);
      Columns chosen = factors_.ready({first, end - first, targets, rows, factors_.columns()});
      Scores scores = factors_.scores(chosen);
      for (int64_t batch = 0; batch < factors_.batches(); ++batch) {
        for (int64_t row = first; row < end;) {
          int64_t height = std::min(size, end - row), blocks = std::min((end - row) / height, together);
          write_scores(launch_, diagonal(scores, batch, row, row - first, height, blocks),
                       matrix_of(memory, height, height));
          int64_t at = batch * rows + row;
          launch_.run(bound_by_targets, ceil_div(blocks * height, kThreads), kThreads, 0, const_data<float>(memory),
                      blocks * height, height, targets + at, bounds_ + at, counts_ + at);
          row += blocks * height;
        }
      }
    }
    return counted();
  }

 private:
  // Blocks of `height` rows and columns, each as a batch.
  static Scores diagonal(Scores scores, int64_t batch, int64_t row, int64_t column, int64_t height, int64_t blocks) {
    auto in_blocks = [&](Side side, int64_t first) {
      side = part(side, batch, blocks, first, height);
      side.batch_stride = height * side.row_stride;
      side.point_stride = height;
      return side;
    };
    for (int f = 0; f < scores.count; ++f) {
      Factor& factor = scores.factors[f];
      factor.rows = in_blocks(factor.rows, row);
      factor.columns = in_blocks(factor.columns, column);
    }
    return scores;
  }

  Tensor counted() const {
    for_each_score(launch_, factors_, [&](const Chunk& chunk, const float* scores) {
      int64_t rows = chunk.batches * chunk.rows;
      int64_t parts = std::min(ceil_div(kFillingBlocks, rows), ceil_div(chunk.columns, kThreads));
      launch_.run(count_before, rows * parts, kThreads, 0, scores, chunk, factors_.rows(), parts, bounds_, counts_);
    });
    return result_;
  }

  const Launch& launch_;
  const Factors& factors_;
  Tensor result_, memory_;
  int64_t* counts_;
  Bound* bounds_;
};

Tensor count(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
             std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, std::optional<Tensor> reach,
             int64_t product) {
  check_count({ux, rx, uy, ry, curvature, aperture, exact, quantity}, reach, product);
  if (!reach && ux.size() == 1 && ux[0].scalar_type() == uy[0].scalar_type()) {
    return count_cones({ux[0], rx[0], uy[0], ry[0], curvature[0], &aperture[0], exact, Product(product)});
  }
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, score_of(Quantity(quantity), false), Product(product));
  const Counting counting(launch, factors);
  if (!reach) return counting.within(nullptr);
  Tensor rows = torch::stable::contiguous(*reach);
  return counting.within(const_data<double>(rows));
}

Tensor rank(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
            std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor target, bool swap,
            int64_t product) {
  check_rank({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, target, product);
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, score_of(Quantity(quantity), swap), Product::own);
  Tensor targets = torch::stable::contiguous(target);
  return Counting(launch, factors).before(const_data<int64_t>(targets));
}

}  // namespace
}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) {
  m.impl("count", TORCH_BOX(&hiergeo::cuda::count));
  m.impl("rank", TORCH_BOX(&hiergeo::cuda::rank));
}
