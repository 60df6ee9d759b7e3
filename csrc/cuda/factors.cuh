// Products of spaces: the points of every factor, and their scores on stretches of columns that are made ready in turn.
#pragma once

#include <vector>

#include "chunks.cuh"
#include "scores.cuh"

namespace hiergeo::cuda {

// What an operator on factors gets, an entry for each: directions (B, N, D) and (B, M, D), radii, and half apertures of the
// apexes where there are cones.
struct Operands {
  std::vector<Tensor> ux, rx, uy, ry;
  std::vector<double> curvature;
  std::vector<Tensor> aperture, exact;
};

// The values of a quantity; what searches keep small; with `swap` those of (y, x).
Formula value_of(Quantity quantity);
Formula score_of(Quantity quantity, bool swap);

// The columns of every factor that are ready, with the memory that they point to.
using Columns = std::vector<Prepared>;

class Factors {
 public:
  // `norms` (M,) are those of the columns of the only factor, where they are known.
  Factors(const Launch& launch, Operands operands, Formula formula, Product product, const Tensor* norms = nullptr);

  int64_t batches() const { return operands_.ux[0].size(0); }
  int64_t rows() const { return operands_.ux[0].size(1); }
  int64_t columns() const { return operands_.uy[0].size(1); }
  const Tensor& like() const { return operands_.ux[0]; }  // fresh tensors go beside it

  // Beyond so many chosen columns a copy of their rows, in the dtype that factors are multiplied in, is too large.
  int64_t widest_copy() const;
  Columns ready(const Choice& choice) const;
  Scores scores(const Columns& columns) const;

  // Calls body(scores, first) on all columns from left to right: at once, or in stretches where rows are to be widened, which
  // is done to no more of them at a time than a copy may take.
  template <class Body> void for_each_stretch(Body body) const {
    int64_t width = is_mixed_ ? widest_copy() : columns();
    for (int64_t first = 0; first < columns(); first += width) {
      Columns some = ready({first, std::min(width, columns() - first)});
      body(scores(some), first);
    }
  }

 private:
  const Launch& launch_;
  Operands operands_;
  Formula formula_;
  Product product_;
  const Tensor* norms_;
  ScalarType dtype_;
  bool is_mixed_ = false;
  std::vector<Prepared> x_;
};

// Scores of some rows and columns of some batches.
Scores part(Scores scores, const Chunk& chunk);

// Rows of `columns` scores one after the other.
inline Matrix matrix_of(const Tensor& memory, int64_t rows, int64_t columns) {
  int64_t row = columns * int64_t(sizeof(float));
  return {data<char>(memory), Dtype::float32, rows * row, row};
}

// Calls body(chunk, scores) with the scores of every pair, in a bounded piece of memory that the next chunk takes again. Each
// row is met from left to right.
template <class Body> void for_each_score(const Launch& launch, const Factors& factors, Body body) {
  Tensor memory = chunk_memory(factors.like(), factors.batches(), factors.rows(), factors.columns());
  factors.for_each_stretch([&](const Scores& scores, int64_t first) {
    for_each_chunk(factors.batches(), factors.rows(), scores.columns().count, [&](Chunk chunk) {
      write_scores(launch, part(scores, chunk), matrix_of(memory, chunk.rows, chunk.columns));
      chunk.column += first;
      body(chunk, const_data<float>(memory));
    });
  });
}

}  // namespace hiergeo::cuda
