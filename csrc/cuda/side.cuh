// One side of the pairs as kernels see it: its rows, their inverse norms, and the radial statistics of every point.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "../cpu/problem.h"
#include "../radial.h"

namespace hiergeo::cuda {

__host__ __device__ inline int size_of(Dtype dtype) {
  return dtype == Dtype::float64 ? 8 : dtype == Dtype::float32 ? 4 : 2;
}

// What tiles are multiplied in: float32 on ordinary cores, the rest on tensor cores. TF32 rounds float32 rows to 10 bits.
enum class Kind { float32, bfloat16, float16, tf32 };

inline Kind kind_of(Dtype dtype, Product product) {
  if (dtype == Dtype::bfloat16) return Kind::bfloat16;
  if (dtype == Dtype::float16) return Kind::float16;
  return product == Product::tf32 ? Kind::tf32 : Kind::float32;
}

// What the rows of a side were rounded from: rows of the same width less an origin, which is followed by the same numbers as
// sums of two floats. No rows where there is nothing.
struct Vectors {
  const char* rows;
  int64_t batch_stride, row_stride;
  const double* origin;
};

// The inverses of the norms of a row and of the vector that it was rounded from.
struct alignas(16) Inverses {
  double row, vector;
};

// Rows of a batch of matrices; strides in elements. `points` and `inverses` of two batches are `point_stride` apart.
struct Side {
  const char* rows;
  Dtype dtype;
  Kind kind;
  int width;
  Dtype vector_dtype;
  int64_t batches, count, batch_stride, row_stride, point_stride;
  const void* points;
  const Inverses* inverses;
  float near;  // pairs whose 1 - cos or 1 + cos falls below it are near a common line
  Vectors vectors = {};

  __host__ __device__ int element_size() const { return size_of(dtype); }
  __host__ __device__ const char* row(int64_t batch, int64_t i) const {
    return rows + (batch * batch_stride + i * row_stride) * element_size();
  }
  __host__ __device__ const char* vector(int64_t batch, int64_t i) const {
    return vectors.rows + (batch * vectors.batch_stride + i * vectors.row_stride) * size_of(vector_dtype);
  }
  __device__ const float2* split_origin() const { return reinterpret_cast<const float2*>(vectors.origin + width); }
  __device__ int64_t point(int64_t batch, int64_t i) const { return batch * point_stride + i; }
};

namespace {

// Products of rows are trusted where the norms of both lie within [1/limit, limit].
constexpr double kNormLimit = 0x1p30;

// What is known of one point. `inverse` is 1/norm, 0 for a zero row, and NaN where products of the row cannot be
// trusted or the row is not finite. `number` is what the operation takes per point: an aperture or an offset.
struct alignas(16) Point {
  Radial<float> radial;
  float inverse, number;
};

__device__ inline float widened(float x) { return x; }
__device__ inline float widened(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float widened(__half x) { return __half2float(x); }

// A number of a row, which is not of float64.
__device__ inline float element(const char* row, Dtype dtype, int64_t i) {
  switch (dtype) {
    case Dtype::bfloat16: return widened(reinterpret_cast<const __nv_bfloat16*>(row)[i]);
    case Dtype::float16: return widened(reinterpret_cast<const __half*>(row)[i]);
    default: return reinterpret_cast<const float*>(row)[i];
  }
}

// Whether pairs of these sides can be measured on what their rows were rounded from.
__device__ inline bool are_exact(const Side& a, const Side& b) {
  return a.vectors.rows != nullptr && b.vectors.rows != nullptr;
}

// A number of the unit ray of a point in double, of the vector that its row was rounded from where `exact`. The product is
// rounded, so that equal rays stay equal.
__device__ inline double ray_number(const Side& side, int64_t batch, int64_t i, int d, bool exact) {
  if (!exact) return __dmul_rn(element(side.row(batch, i), side.dtype, d), side.inverses[side.point(batch, i)].row);
  double number = element(side.vector(batch, i), side.vector_dtype, d) - side.vectors.origin[d];
  return __dmul_rn(number, side.inverses[side.point(batch, i)].vector);
}

// Narrow dtypes are rounded from float32, as torch does.
__device__ inline void set_element(char* place, Dtype dtype, float value) {
  switch (dtype) {
    case Dtype::float32: *reinterpret_cast<float*>(place) = value; break;
    case Dtype::float64: *reinterpret_cast<double*>(place) = value; break;
    case Dtype::bfloat16: *reinterpret_cast<__nv_bfloat16*>(place) = __float2bfloat16_rn(value); break;
    default: *reinterpret_cast<__half*>(place) = __float2half_rn(value);
  }
}

constexpr unsigned kWarp = 0xffffffffu;

// The sum over the warp, the same in every lane.
__device__ inline double warp_sum(double x) {
  for (int reach = 16; reach > 0; reach /= 2) x += __shfl_xor_sync(kWarp, x, reach);
  return x;
}

}  // namespace
}  // namespace hiergeo::cuda
