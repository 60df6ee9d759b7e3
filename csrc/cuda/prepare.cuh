// Statistics of points, once per operation, before any pair is looked at.
#pragma once

#include "../operands.h"
#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

// What rows of two dtypes are multiplied in: theirs where it is one, else float32.
inline ScalarType common_type(ScalarType a, ScalarType b) { return a == b ? a : ScalarType::Float; }
inline ScalarType common_type(const Tensor& a, const Tensor& b) { return common_type(a.scalar_type(), b.scalar_type()); }

// Some points of every batch: those from `first` on, or, where there is an order, those whose places it lists from `first`
// on; the lists of two batches are `order_stride` apart. The host does not read an order: the first point stands in for places
// beyond the `total` points of a batch.
struct Choice {
  int64_t first, count;
  const int64_t* order = nullptr;
  int64_t order_stride = 0, total = 0;

  __host__ __device__ int64_t place(int64_t batch, int64_t i) const {
    if (order == nullptr) return first + i;
    int64_t listed = order[batch * order_stride + first + i];
    return 0 <= listed && listed < total ? listed : 0;
  }
};

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

// What an operator on the pairs of one space gets; the half apertures of x, or null.
struct SpaceOperands {
  const Tensor &ux, &rx, &uy, &ry;
  double curvature;
  const Tensor* aperture;
  const std::vector<Tensor>& exact;
  Product product;

  Prepared x(const Launch& launch) const { return made(launch, Cloud{ux, &rx, aperture}.of(exact, 0)); }
  Prepared y(const Launch& launch) const { return made(launch, Cloud{uy, &ry}.of(exact, 1)); }

 private:
  Prepared made(const Launch& launch, const Cloud& cloud) const {
    return prepare(launch, cloud, curvature, product, common_type(ux, uy), {0, cloud.direction.size(1)});
  }
};

}  // namespace hiergeo::cuda
