// Copies of rows: chosen ones, or rows that kernels read in words of 16 bytes.
#pragma once

#include "side.cuh"
#include "stream.cuh"

namespace hiergeo::cuda {

// The width of rows that end at a whole word: tensor cores read rows of bfloat16, float16 and TF32 in words of 16 bytes.
inline int64_t whole_words(Kind kind, int64_t width) {
  if (kind == Kind::float32 || kind == Kind::float64) return width;
  int64_t word = kind == Kind::tf32 ? 4 : 8;
  return ceil_div(width, word) * word;
}

// Rows order[0], order[1], ... of each matrix of (B, N, D), all where `order` is null, followed by zeros up to `width`.
Tensor copy_of_rows(const Launch& launch, const Tensor& matrices, const int64_t* order, int64_t count, int64_t width);

}  // namespace hiergeo::cuda
