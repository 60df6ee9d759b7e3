// A number per pair, combined of the factors of a product of spaces, written tile by tile.
#pragma once

#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

// What is computed of a row and a column in one factor; `swapped` is the exterior angle at the column's point.
enum class Law { exterior_angle, swapped, distance, cosine };

// How the values in the factors become one.
enum class Combination { l2, l1, least, most };

// The value in a factor: `slope` times the law plus `share` times the number of the apex, at least `floor`.
struct Formula {
  Law law;
  double slope = 1, share = 0, floor = -INFINITY;
  Combination combination = Combination::l2;
};

struct Factor {
  Side rows, columns;
  double curvature;
};

constexpr int kMostFactors = 8;  // as those of native.py; they are parameters of a kernel

// The scores of some rows and columns, in every batch.
struct Scores {
  Formula formula;
  int count;
  Factor factors[kMostFactors];

  const Side& rows() const { return factors[0].rows; }
  const Side& columns() const { return factors[0].columns; }
};

// An N x M matrix per batch; strides in bytes, columns are adjacent.
struct Matrix {
  char* data;
  Dtype dtype;
  int64_t batch_stride, row_stride;
};

void write_scores(const Launch& launch, const Scores& scores, Matrix out);

}  // namespace hiergeo::cuda
