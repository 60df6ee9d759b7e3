// What the rows of a backward pass need around the matrix products: unit rays, sums in float64, and the gradients.
//
// The gradient by a direction x is the part of its pull, the sum of weight times y over unit rays y, that is orthogonal
// to x, divided by the norm of x. Pairs near a common line pull with the short vector between the two rays instead of
// y. That differs by a multiple of x, which the last step removes, and nothing cancels.
#pragma once

#include "chunks.cuh"

namespace hiergeo::cuda {

// Unit rays of a side as (B, N, D); zero rows stay zero, rows that are not numbers become zero.
void write_rays(const Launch& launch, const Side& side, const Tensor& rays);

// Near pairs of a chunk seen from one side, as bits: word w of an owner has a bit for each of 32 others from 32 w on;
// x says which are near, y which of them point in opposite directions.
struct NearWords {
  const uint2* words;
  int64_t count, owner_stride, word_stride, batch_stride;
};

// Adds the pulls of the near pairs of a chunk on its rows to `pulls` (B, N, D) float64, in a fixed order.
void pull_rows(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, float* weights, const NearWords& near,
               const Tensor& pulls);
// The same on its columns; sets the weights of the near pairs to 0.
void pull_columns(const Launch& launch, const Chunk& chunk, const Side& x, const Side& y, float* weights,
                  const NearWords& near, const Tensor& pulls);

// sums[batch + b, first + i, ...] += terms[b, 0, i, ...] + terms[b, 1, i, ...] + ..., for b < batches, i < count, with
// `width` numbers at each place; sums is (B, total, width) float64, terms (batches, parts, count, width).
struct Addition {
  int64_t batch, batches, parts, first, count, width, total;
};
template <class T> void add_parts(const Launch& launch, Addition shape, const T* terms, double* sums);

// Gradients (B, N, D) and (B, N) from pulls and float64 sums of the derivatives by the radii. Those of
// a point that is not a number are NaN.
void write_gradients(const Launch& launch, const Side& side, const Tensor& pulls, const Tensor& by_radius,
                     const Tensor& direction_gradient, const Tensor& radius_gradient);

}  // namespace hiergeo::cuda
