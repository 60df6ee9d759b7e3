// Statistics of points, once per operation, before any pair is looked at.
#pragma once

#include "../operands.h"
#include "rows.cuh"

namespace hiergeo::cuda {

inline bool is_wide(const Tensor& direction) { return compute_type(direction) == ScalarType::Double; }

// What rows of two dtypes that share their compute type are multiplied in: theirs where it is one, else float32.
inline ScalarType common_type(ScalarType a, ScalarType b) { return a == b ? a : ScalarType::Float; }
inline ScalarType common_type(const Tensor& a, const Tensor& b) { return common_type(a.scalar_type(), b.scalar_type()); }

// A set of points: directions (B, N, D), and radii, what the operation takes per point, and norms that are known, each (B, N)
// float64 of any strides, or null; the vectors that directions were rounded from and their origin, or null.
struct Cloud {
  const Tensor& direction;
  const Tensor *radius = nullptr, *number = nullptr, *norm = nullptr;
  const Tensor *vectors = nullptr, *origin = nullptr;

  // With what operators get of side 0 or 1 in factor f of `count`.
  Cloud of(const std::vector<Tensor>& exact, size_t side, size_t f = 0, size_t count = 1) const {
    if (exact.empty()) return *this;
    return {direction, radius, number, norm, &exact[side * count + f], &exact[2 * count + f]};
  }
};

// A side with the memory that it points to.
struct Prepared {
  Side side;
  Tensor rows, points, inverses, vectors, origin;
};

// Chosen points of a cloud, multiplied as `dtype`, to which narrower rows are widened. Rows are copied where they are widened
// or listed by an order, and where tensor cores cannot read them as they are.
Prepared prepare(const Launch& launch, const Cloud& cloud, double curvature, Product product, ScalarType dtype,
                 const Choice& choice);

// All points.
inline Prepared prepare(const Launch& launch, const Cloud& cloud, double curvature, Product product, ScalarType dtype) {
  return prepare(launch, cloud, curvature, product, dtype, {0, cloud.direction.size(1)});
}

}  // namespace hiergeo::cuda
