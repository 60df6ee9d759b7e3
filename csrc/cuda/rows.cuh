// Copies of rows: chosen ones, widened ones, or rows that kernels read in words of 16 bytes.
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

// The chosen rows of each matrix of (B, N, D), followed by zeros up to `width`, as they are or as float32.
Tensor copy_of_rows(const Launch& launch, const Tensor& matrices, const Choice& choice, int64_t width, ScalarType dtype);

}  // namespace hiergeo::cuda
