// Statistics of points, once per operation, before any pair is looked at.
#pragma once

#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

Dtype dtype_of(const Tensor& tensor);

// float64 directions are computed with in float64, all others in float32.
inline bool is_wide(const Tensor& direction) { return dtype_of(direction) == Dtype::float64; }
inline ScalarType compute_type(const Tensor& direction) {
  return is_wide(direction) ? ScalarType::Double : ScalarType::Float;
}

// A side with the memory that it points to.
struct Prepared {
  Side side;
  Tensor rows, points, inverses;
};

// Rows that tensor cores cannot read as they are, are copied. directions (B, N, D); radius and number (B, N) float64 of any strides, or null.
Prepared prepare(const Launch& launch, const Tensor& direction, const Tensor* radius, const Tensor* number,
                 double curvature, Product product = Product::own);

}  // namespace hiergeo::cuda
