#include "prepare.cuh"

namespace hiergeo::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kRows = 32;  // of a block: eight warps measure four rows each, then one warp takes one point a lane

struct Numbers {
  const double* data;
  int64_t batch_stride, row_stride;

  __device__ double at(int64_t batch, int64_t i) const {
    return data == nullptr ? 0.0 : data[batch * batch_stride + i * row_stride];
  }
};

__device__ double scaled_norm(const char* row, Dtype dtype, int width, double factor) {
  double sum = 0;
  for (int d = threadIdx.x % 32; d < width; d += 32) {
    double value = element(row, dtype, d) * factor;
    sum += value * value;
  }
  return sqrt(warp_sum(sum)) / factor;
}

// Rows of doubles whose squares leave the range of doubles are measured again, smaller or larger.
__device__ double norm_of(const char* row, Dtype dtype, int width) {
  double norm = scaled_norm(row, dtype, width, 1);
  if (norm > 0x1p450) return scaled_norm(row, dtype, width, 0x1p-600);
  return norm < 0x1p-450 ? scaled_norm(row, dtype, width, 0x1p600) : norm;
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    prepare_points(Side side, Numbers radius, Numbers number, double curvature, Point<T>* points, double* inverses) {
  __shared__ double norms[kRows];
  int64_t total = side.batches * side.count, blocks = (total + kRows - 1) / kRows;
  int warp = threadIdx.x / 32;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    int64_t first = block * kRows;
    for (int r = warp; r < kRows && first + r < total; r += kThreads / 32) {
      int64_t batch = (first + r) / side.count, i = (first + r) % side.count;
      double norm = norm_of(side.row(batch, i), side.dtype, side.width);
      if (threadIdx.x % 32 == 0) norms[r] = norm;
    }
    __syncthreads();
    int64_t place = first + threadIdx.x;
    if (threadIdx.x < kRows && place < total) {
      int64_t batch = place / side.count, i = place % side.count;
      double norm = norms[threadIdx.x];
      double unknown = nan("");
      double inverse = norm == 0 ? 0.0 : isfinite(norm) ? 1 / norm : unknown;
      constexpr double limit = NormRange<T>::limit;
      bool trusted = norm == 0 || (norm >= 1 / limit && norm <= limit);
      Point<T> point;
      point.radial = radial<T, double>(radius.at(batch, i), curvature);
      point.inverse = trusted ? T(inverse) : T(unknown);
      point.number = T(number.at(batch, i));
      points[place] = point;
      inverses[place] = inverse;
    }
    __syncthreads();  // norms are free again
  }
}

Numbers numbers_of(const Tensor* tensor) {
  if (tensor == nullptr) return {nullptr, 0, 0};
  return {const_data<double>(*tensor), tensor->stride(0), tensor->stride(1)};
}

template <class T>
Prepared prepare_as(const Launch& launch, const Tensor& direction, const Tensor* radius, const Tensor* number,
                    double curvature, Product product) {
  int64_t batches = direction.size(0), count = direction.size(1), width = direction.size(2);
  STD_TORCH_CHECK(width < (1 << 30), "directions of ", width, " numbers are too long for a CUDA kernel");
  Prepared made;
  made.points = scratch<Point<T>>(direction, batches * count);
  made.inverses = scratch<double>(direction, batches * count);
  made.side = {const_data<char>(direction),
               dtype_of(direction),
               product,
               int(width),
               batches,
               count,
               direction.stride(0),
               direction.stride(1),
               count,
               int(sizeof(Point<T>)),
               const_data<char>(made.points),
               data<double>(made.inverses)};
  launch.run(prepare_points<T>, ceil_div(batches * count, kRows), kThreads, 0, made.side, numbers_of(radius),
             numbers_of(number), curvature, data<Point<T>>(made.points), data<double>(made.inverses));
  return made;
}

}  // namespace

Prepared prepare(const Launch& launch, const Tensor& direction, const Tensor* radius, const Tensor* number,
                 double curvature, Product product) {
  return is_wide(direction) ? prepare_as<double>(launch, direction, radius, number, curvature, product)
                            : prepare_as<float>(launch, direction, radius, number, curvature, product);
}

}  // namespace hiergeo::cuda
