// Statistics of points, once per operation, before any pair is looked at.
#pragma once

#include "../operands.h"
#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

inline bool is_wide(const Tensor& direction) { return compute_type(direction) == ScalarType::Double; }

// A side with the memory that it points to.
struct Prepared {
  Side side;
  Tensor points, inverses;
};

// directions (B, N, D); radius and number (B, N) float64 of any strides, or null.
Prepared prepare(const Launch& launch, const Tensor& direction, const Tensor* radius, const Tensor* number,
                 double curvature, Product product = Product::own);

}  // namespace hiergeo::cuda
