// Contrast: logits of every pair reduced over rows and over columns. Scores of a chunk are written to a bounded buffer that
// stays in the cache; then blocks reduce squares of it both ways, and what squares found of a line is merged in their order.
#include "contrast.cuh"

#include "../pair_math.h"
#include "copy.cuh"
#include "factors.cuh"
#include "ops.cuh"
#include "pulls.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

// The side of a square, and how many of each line a thread reduces.
constexpr int kSquare = 64, kLines = kThreads / kSquare, kPart = kSquare / kLines;

// Some logits reduced: the largest and the sum of exp(z - top), or the sum of softplus(z) below a top that never rises; and the sum
// of those of matching pairs.
struct Fold {
  float top;
  double sum, matched;

  static __device__ Fold nothing() { return {-Limits<float>::largest, 0, 0}; }
  __device__ void merge(const Fold& other) {
    const float highest = larger(top, other.top);
    sum = sum * exponential(top - highest) + other.sum * exponential(other.top - highest);
    matched += other.matched;
    top = highest;
  }
};

__device__ Fold from_lane_across(const Fold& own, int reach) {
  return {__shfl_xor_sync(kWarp, own.top, reach), __shfl_xor_sync(kWarp, own.sum, reach),
          __shfl_xor_sync(kWarp, own.matched, reach)};
}

// Of `count` logits, `stride` apart; `others` are the labels of their points, null where nothing matches.
template <bool SOFTPLUS> __device__ Fold folded(const float* z, int stride, int count, int64_t own, const int64_t* others) {
  Fold fold = Fold::nothing();
  for (int e = 0; !SOFTPLUS && e < count; ++e) fold.top = larger(fold.top, z[e * stride]);
  float sum = 0;
  int tops = 0;  // counted apart, as what is added to them may be tiny
  for (int e = 0; e < count; ++e) {
    const bool top = !SOFTPLUS && z[e * stride] == fold.top;
    tops += top;
    sum += SOFTPLUS ? softplus(z[e * stride]) : top ? 0.0f : exponential(z[e * stride] - fold.top);
  }
  fold.sum = double(sum) + tops;
  for (int e = 0; others != nullptr && e < count; ++e) fold.matched += others[e] == own ? double(z[e * stride]) : 0;
  return fold;
}

// Of the scores of a chunk; (b, column tiles, R) of its rows and (b, row tiles, C) of its columns. Lines are one number longer
// than a square, so that lanes meet no bank twice along either side.
__global__ void __launch_bounds__(kThreads)
    reduce_squares(const float* scores, Chunk chunk, int64_t rows, int64_t columns, LogitNumbers logits, Fold* of_rows,
                   Fold* of_columns) {
  constexpr int pitch = kSquare + 1;
  __shared__ float square[kSquare * pitch];
  __shared__ Fold parts[kLines][kSquare];
  const int64_t row_tiles = (chunk.rows + kSquare - 1) / kSquare, column_tiles = (chunk.columns + kSquare - 1) / kSquare;
  const int line = threadIdx.x % kSquare, part = threadIdx.x / kSquare;
  for (int64_t job = blockIdx.x; job < chunk.batches * row_tiles * column_tiles; job += gridDim.x) {
    const int64_t b = job / (row_tiles * column_tiles), row_tile = job / column_tiles % row_tiles, column_tile = job % column_tiles;
    const int64_t row = row_tile * kSquare, column = column_tile * kSquare, batch = chunk.batch + b;
    const int height = int(smaller<int64_t>(kSquare, chunk.rows - row));
    const int width = int(smaller<int64_t>(kSquare, chunk.columns - column));
    const Logit<float> logit = logits.at(batch);
    const float* from = scores + (b * chunk.rows + row) * chunk.columns + column;
    for (int i = part; line < width && i < height; i += kLines)
      square[i * pitch + line] = logit.of(logit.measure(from[i * chunk.columns + line]));
    __syncthreads();
    const bool labelled = logits.x_label != nullptr;
    const int64_t* x_label = labelled ? logits.x_label + batch * rows + chunk.row + row : nullptr;
    const int64_t* y_label = labelled ? logits.y_label + batch * columns + chunk.column + column : nullptr;
    auto reduce = [&](int lines, int length, int line_stride, int stride, const int64_t* own, const int64_t* others, Fold* to) {
      const int first = part * kPart, count = length - first < kPart ? length - first : kPart;
      Fold fold = Fold::nothing();
      if (line < lines && count > 0) {
        const float* z = square + line * line_stride + first * stride;
        const int64_t label = labelled ? own[line] : 0, *labels = labelled ? others + first : nullptr;
        fold = logits.softplus ? folded<true>(z, stride, count, label, labels) : folded<false>(z, stride, count, label, labels);
      }
      parts[part][line] = fold;
      __syncthreads();
      if (part == 0 && line < lines) {
        for (int p = 1; p < kLines; ++p) fold.merge(parts[p][line]);
        to[line] = fold;
      }
      __syncthreads();
    };
    reduce(height, width, pitch, 1, x_label, y_label, of_rows + (b * column_tiles + column_tile) * chunk.rows + row);
    reduce(width, height, 1, pitch, y_label, x_label, of_columns + (b * row_tiles + row_tile) * chunk.columns + column);
  }
}

__global__ void __launch_bounds__(kThreads) begin_folds(int64_t size, Fold* folds) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    folds[i] = Fold::nothing();
  }
}

// As `add_parts`. A warp a place: each lane merges every 32nd part.
__global__ void __launch_bounds__(kThreads) merge_folds(Addition shape, const Fold* parts, Fold* folds) {
  const int lane = threadIdx.x % 32;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < shape.batches * shape.count;
       i += gridDim.x * int64_t(kWarps)) {
    const int64_t batch = i / shape.count, place = i % shape.count;
    Fold fold = Fold::nothing();
    for (int64_t p = lane; p < shape.parts; p += 32) fold.merge(parts[(batch * shape.parts + p) * shape.count + place]);
    for (int reach = 16; reach > 0; reach /= 2) fold.merge(from_lane_across(fold, reach));
    if (lane == 0) folds[(shape.batch + batch) * shape.total + shape.first + place].merge(fold);
  }
}

__global__ void __launch_bounds__(kThreads)
    write_folds(const Fold* folds, int64_t size, bool softplus, double* reduced, double* matched) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    reduced[i] = softplus ? folds[i].sum : log(folds[i].sum) + double(folds[i].top);
    matched[i] = folds[i].matched;
  }
}

__global__ void __launch_bounds__(kThreads)
    pack_shares(const double* reduced, const double* upstream, const double* matched, const int64_t* labels, int64_t size,
                Share* shares) {
  const bool labelled = labels != nullptr;
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < size; i += gridDim.x * int64_t(kThreads)) {
    const float whole = float(reduced[i]);
    shares[i] = {whole, float(reduced[i] - double(whole)), float(upstream[i]), labelled ? float(matched[i]) : 0.0f,
                 labelled ? labels[i] : 0};
  }
}

// What is known of the points of one side, (B, N).
class Folds {
 public:
  Folds(const Launch& launch, const Tensor& like, int64_t batches, int64_t count)
      : launch_(launch), batches_(batches), count_(count), memory_(scratch<Fold>(like, size())) {
    launch.run(begin_folds, ceil_div(size(), kThreads), kThreads, 0, size(), data<Fold>(memory_));
  }

  void merge(const Chunk& chunk, int64_t parts, int64_t first, int64_t count, const Tensor& of_parts) const {
    launch_.run(merge_folds, ceil_div(chunk.batches * count, kWarps), kThreads, 0,
                Addition{chunk.batch, chunk.batches, parts, first, count, 1, count_}, const_data<Fold>(of_parts),
                data<Fold>(memory_));
  }

  // What logits are reduced to, and sums of those that match.
  std::tuple<Tensor, Tensor> result(bool softplus) const {
    Tensor reduced = empty(memory_, {batches_, count_}, ScalarType::Double);
    Tensor matched = empty(memory_, {batches_, count_}, ScalarType::Double);
    launch_.run(write_folds, ceil_div(size(), kThreads), kThreads, 0, const_data<Fold>(memory_), size(), softplus,
                data<double>(reduced), data<double>(matched));
    return {reduced, matched};
  }

 private:
  int64_t size() const { return batches_ * count_; }

  const Launch& launch_;
  int64_t batches_, count_;
  Tensor memory_;
};

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                                    std::vector<Tensor> ry, std::vector<double> curvature,
                                                    std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity,
                                                    Tensor scale, Tensor bias, std::optional<Tensor> labels_x,
                                                    std::optional<Tensor> labels_y, bool squared, bool softplus,
                                                    int64_t product) {
  check_contrast({ux, rx, uy, ry, curvature, aperture, exact, quantity}, {scale, bias, labels_x, labels_y}, product);
  const Launch launch(ux[0]);
  const LogitTensors logits = logits_of(scale, bias, labels_x, labels_y, squared, softplus);
  const Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, value_of(Quantity(quantity)), Product(product));
  const int64_t n = factors.rows(), m = factors.columns();
  const Folds of_rows(launch, factors.like(), factors.batches(), n), of_columns(launch, factors.like(), factors.batches(), m);
  for_each_score(launch, factors, [&](const Chunk& chunk, const float* scores) {
    const int64_t row_tiles = ceil_div(chunk.rows, kSquare), column_tiles = ceil_div(chunk.columns, kSquare);
    const Tensor row_parts = scratch<Fold>(factors.like(), chunk.batches * column_tiles * chunk.rows);
    const Tensor column_parts = scratch<Fold>(factors.like(), chunk.batches * row_tiles * chunk.columns);
    launch.run(reduce_squares, chunk.batches * row_tiles * column_tiles, kThreads, 0, scores, chunk, n, m, logits.numbers(),
               data<Fold>(row_parts), data<Fold>(column_parts));
    of_rows.merge(chunk, column_tiles, chunk.row, chunk.rows, row_parts);
    of_columns.merge(chunk, row_tiles, chunk.column, chunk.columns, column_parts);
  });
  auto [rows, matched_rows] = of_rows.result(softplus);
  auto [columns, matched_columns] = of_columns.result(softplus);
  return {rows, columns, matched_rows, matched_columns};
}

}  // namespace

LogitTensors logits_of(const Tensor& scale, const Tensor& bias, const std::optional<Tensor>& labels_x,
                       const std::optional<Tensor>& labels_y, bool squared, bool softplus) {
  LogitTensors logits = {torch::stable::contiguous(scale), torch::stable::contiguous(bias), {}, {}, squared, softplus};
  if (labels_x) logits.x_label = torch::stable::contiguous(*labels_x), logits.y_label = torch::stable::contiguous(*labels_y);
  return logits;
}

Tensor shares_of(const Launch& launch, const Tensor& reduced, const Tensor& upstream, const Tensor& matched,
                 const std::optional<Tensor>& labels) {
  const Tensor numbers[] = {torch::stable::contiguous(reduced), torch::stable::contiguous(upstream),
                            torch::stable::contiguous(matched)};
  std::optional<Tensor> whole;
  if (labels) whole = torch::stable::contiguous(*labels);
  const int64_t size = reduced.size(0) * reduced.size(1);
  Tensor shares = scratch<Share>(reduced, size);
  launch.run(pack_shares, ceil_div(size, kThreads), kThreads, 0, const_data<double>(numbers[0]),
             const_data<double>(numbers[1]), const_data<double>(numbers[2]), whole ? const_data<int64_t>(*whole) : nullptr, size,
             data<Share>(shares));
  return shares;
}

}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) { m.impl("contrast", TORCH_BOX(&hiergeo::cuda::contrast)); }
