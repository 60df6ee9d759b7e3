// Matrices of a number per pair, written tile by tile.
#pragma once

#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

// What is computed of a row and a column; `swapped` is the exterior angle at the column's point.
enum class Law { exterior_angle, swapped, distance, cosine };

// What is made of it, with the number of the row (its aperture) or of the column (its offset).
enum class Finish { plain, margin, energy, less_offset };

// An N x M matrix per batch; strides in bytes, columns are adjacent.
struct Matrix {
  char* data;
  Dtype dtype;
  int64_t batch_stride, row_stride;
};

void write_scores(const Launch& launch, Law law, Finish finish, const Side& rows, const Side& columns, double curvature,
                  Matrix out);

}  // namespace hiergeo::cuda
