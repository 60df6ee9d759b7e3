#include "prepare.cuh"

#include <type_traits>

#include "near.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;
constexpr int kRows = 32;  // of a block: eight warps measure four rows each, then one warp takes one point a lane

struct Numbers {
  const double* data;
  int64_t batch_stride, row_stride;

  __device__ double at(int64_t batch, int64_t i) const {
    return data == nullptr ? 0.0 : data[batch * batch_stride + i * row_stride];
  }
};

// Of all points, in the places that they have before some are chosen.
struct Known {
  Numbers radius, number, norm;
};

__device__ double norm_of(const char* row, Dtype dtype, int width) {
  double sum = 0;
  for (int d = threadIdx.x % 32; d < width; d += 32) {
    double value = element(row, dtype, d);
    sum += value * value;
  }
  return sqrt(warp_sum(sum));
}

__global__ void __launch_bounds__(kThreads)
    prepare_points(Side side, Known known, Choice choice, double curvature, Point* points, Inverses* inverses) {
  __shared__ double norms[kRows];
  int64_t total = side.batches * side.count, blocks = (total + kRows - 1) / kRows;
  int warp = threadIdx.x / 32;
  for (int64_t block = blockIdx.x; block < blocks; block += gridDim.x) {
    int64_t first = block * kRows;
    for (int r = warp; r < kRows && first + r < total; r += kWarps) {
      int64_t batch = (first + r) / side.count, i = (first + r) % side.count;
      double norm = known.norm.data == nullptr ? norm_of(side.row(batch, i), side.dtype, side.width)
                                               : known.norm.at(batch, choice.place(batch, i));
      if (threadIdx.x % 32 == 0) norms[r] = norm;
    }
    __syncthreads();
    int64_t place = first + threadIdx.x;
    if (threadIdx.x < kRows && place < total) {
      int64_t batch = place / side.count, chosen = choice.place(batch, place % side.count);
      double norm = norms[threadIdx.x];
      double unknown = nan("");
      double inverse = norm == 0 ? 0.0 : isfinite(norm) ? 1 / norm : unknown;
      bool trusted = norm == 0 || (norm >= 1 / kNormLimit && norm <= kNormLimit);
      Point point;
      point.radial = radial<float, double>(known.radius.at(batch, chosen), curvature);
      point.inverse = trusted ? float(inverse) : float(unknown);
      point.number = float(known.number.at(batch, chosen));
      points[place] = point;
      double length = known.radius.at(batch, chosen);
      inverses[place] = {inverse, length == 0 ? 0.0 : 1 / length};
    }
    __syncthreads();  // norms are free again
  }
}

struct Matrices {
  int64_t batch_stride, row_stride, width;
};

// One warp a row; what is not widened is copied as words of the size of an element.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    copy_rows(const From* from, Matrices matrices, Choice choice, int64_t batches, int64_t width, To* to) {
  int64_t total = batches * choice.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    int64_t batch = i / choice.count, row = choice.place(batch, i % choice.count);
    const From* source = from + batch * matrices.batch_stride + row * matrices.row_stride;
    for (int64_t d = threadIdx.x % 32; d < width; d += 32) {
      To number = To(0);
      if (d < matrices.width) {
        if constexpr (std::is_same_v<From, To>) number = source[d];
        if constexpr (!std::is_same_v<From, To>) number = widened(source[d]);
      }
      to[i * width + d] = number;
    }
  }
}

// Numbers, and after them the same as sums of two floats.
__global__ void __launch_bounds__(kThreads) split_numbers(const double* numbers, int width, double* to) {
  for (int d = threadIdx.x + blockIdx.x * kThreads; d < width; d += gridDim.x * kThreads) {
    float high = float(numbers[d]);
    to[d] = numbers[d];
    reinterpret_cast<float2*>(to + width)[d] = {high, float(numbers[d] - high)};
  }
}

// The width of rows that end at a whole word: tensor cores read rows of bfloat16, float16 and TF32 in words of 16 bytes.
int64_t whole_words(Kind kind, int64_t width) {
  if (kind == Kind::float32) return width;
  int64_t word = kind == Kind::tf32 ? 4 : 8;
  return ceil_div(width, word) * word;
}

// The chosen rows of each matrix of (B, N, D), followed by zeros up to `width`, as they are or as float32.
Tensor copy_of_rows(const Launch& launch, const Tensor& matrices, const Choice& choice, int64_t width, ScalarType dtype) {
  int64_t batches = matrices.size(0);
  Tensor rows = empty(matrices, {batches, choice.count, width}, dtype);
  Matrices shape = {matrices.stride(0), matrices.stride(1), matrices.size(2)};
  auto copy = [&](auto from, auto to) {
    using From = decltype(from);
    using To = decltype(to);
    launch.run(copy_rows<From, To>, ceil_div(batches * choice.count, kWarps), kThreads, 0, const_data<From>(matrices),
               shape, choice, batches, width, data<To>(rows));
  };
  bool widen = dtype != matrices.scalar_type();
  STD_TORCH_CHECK(!widen || (dtype == ScalarType::Float && matrices.element_size() == 2), "only 16-bit rows are widened");
  switch (matrices.scalar_type()) {
    case ScalarType::Float: copy(uint32_t(), uint32_t()); break;
    case ScalarType::BFloat16: widen ? copy(__nv_bfloat16(), float()) : copy(uint16_t(), uint16_t()); break;
    default: widen ? copy(__half(), float()) : copy(uint16_t(), uint16_t());
  }
  return rows;
}

// Those of the chosen points, with the memory that they point to.
void add_vectors(const Launch& launch, const Cloud& cloud, const Choice& choice, Prepared& made) {
  const Tensor &vectors = *cloud.vectors, &origin = *cloud.origin;
  const bool listed = choice.order != nullptr;
  const int64_t width = vectors.size(2);
  made.vectors = listed ? copy_of_rows(launch, vectors, choice, width, vectors.scalar_type()) : vectors;
  made.origin = scratch<double>(vectors, 2 * width);
  launch.run(split_numbers, ceil_div(width, kThreads), kThreads, 0, const_data<double>(origin), int(width),
             data<double>(made.origin));
  Side& side = made.side;
  side.vector_dtype = dtype_of(made.vectors);
  side.vectors = {const_data<char>(made.vectors), made.vectors.stride(0), made.vectors.stride(1),
                  const_data<double>(made.origin)};
  if (!listed) side.vectors.rows = side.vector(0, choice.first);
}

Numbers numbers_of(const Tensor* tensor) {
  if (tensor == nullptr) return {nullptr, 0, 0};
  return {const_data<double>(*tensor), tensor->stride(0), tensor->stride(1)};
}

// Whether rows begin and end at words of 16 bytes.
bool has_whole_words(const Tensor& direction) {
  int64_t size = direction.element_size(), word = 16;
  bool together = direction.size(1) <= 1 || direction.stride(1) * size % word == 0;
  bool batched = direction.size(0) <= 1 || direction.stride(0) * size % word == 0;
  return together && batched && direction.size(2) * size % word == 0 &&
         reinterpret_cast<uintptr_t>(const_data<char>(direction)) % word == 0;
}

}  // namespace

Prepared prepare(const Launch& launch, const Cloud& cloud, double curvature, Product product, ScalarType dtype,
                 const Choice& choice) {
  const Tensor& direction = cloud.direction;
  int64_t batches = direction.size(0), width = direction.size(2);
  STD_TORCH_CHECK(width < (1 << 30), "directions of ", width, " numbers are too long for a CUDA kernel");
  Kind kind = kind_of(*float_type(dtype), product);
  bool copied = choice.order != nullptr || dtype != direction.scalar_type() ||
                (kind != Kind::float32 && !has_whole_words(direction));
  Prepared made;
  made.rows = copied ? copy_of_rows(launch, direction, choice, whole_words(kind, width), dtype) : direction;
  made.points = scratch<Point>(direction, batches * choice.count);
  made.inverses = scratch<Inverses>(direction, batches * choice.count);
  made.side = {const_data<char>(made.rows),
               *float_type(dtype),
               kind,
               int(width),
               Dtype::float32,
               batches,
               choice.count,
               made.rows.stride(0),
               made.rows.stride(1),
               choice.count,
               const_data<char>(made.points),
               data<Inverses>(made.inverses),
               float(nearest_by_product(kind, width))};
  if (!copied) made.side.rows = made.side.row(0, choice.first);
  if (cloud.vectors != nullptr) add_vectors(launch, cloud, choice, made);
  Known known = {numbers_of(cloud.radius), numbers_of(cloud.number), numbers_of(cloud.norm)};
  launch.run(prepare_points, ceil_div(batches * choice.count, kRows), kThreads, 0, made.side, known, choice, curvature,
             data<Point>(made.points), data<Inverses>(made.inverses));
  return made;
}

}  // namespace hiergeo::cuda
