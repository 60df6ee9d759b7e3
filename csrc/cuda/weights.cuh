// Derivatives of a quantity, pair by pair, as what the sums of a backward pass are made of.
#pragma once

#include "../loss.h"
#include "chunks.cuh"
#include "contrast.cuh"

namespace hiergeo::cuda {

// A matrix per batch that is read, any strides.
struct Upstream {
  const float* data;
  int64_t batch_stride, row_stride, column_stride;
};

// What logits of distances were reduced to: Share of the rows and columns of a chunk, whose first batch is `batch` and whose
// batches are so far apart; null where that is not differentiated.
struct Reduced {
  LogitNumbers logits;
  const Share *rows, *columns;
  int64_t batch, row_stride, column_stride;
};

// What is differentiated: a quantity times upstream gradients or, where there are none, the sum of a loss or what logits were
// reduced to.
struct Objective {
  Quantity quantity;
  Upstream upstream;
  LossKind loss;
  Reduced reduced;

  bool contrasted() const { return reduced.rows; }
  bool summed() const { return !upstream.data; }
};

// Of each pair of a chunk (b, R, C): the derivative of the objective by the cosine of theta. Pairs near a
// common line are marked for their rows, in words of 32 columns (b, R, column_words), and for their columns, in words of
// 32 rows (b, 2 row_shares, C): x says which, y which of them point in opposite directions. Sums of the other derivatives
// over 32 columns are (b, column_words, R), over a share of 64 rows (b, row_shares, C), and so are those of `values`, of a loss or
// of derivatives by the scale of logits, and of derivatives `by_logit`.
struct Weights {
  float* by_cosine;
  uint2 *near_of_rows, *near_of_columns;
  double *by_x_radius, *by_x_number, *by_y_radius, *by_curvature, *values, *by_logit;
  int64_t column_words, row_shares;
};

// How many shares threads divide the rows of a chunk into.
int64_t row_shares(int64_t rows);

// Pairs with a point that is not a number weigh nothing and are not near; for energies neither do pairs inside the cone,
// Xi <= number of x.
void write_weights(const Launch& launch, const Objective& objective, const Side& rows, const Side& columns, double curvature,
                   Weights weights);

}  // namespace hiergeo::cuda
