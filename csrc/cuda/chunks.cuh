// Parts of an N x M problem whose matrix fits a bounded piece of memory.
#pragma once

#include <algorithm>

#include "prepare.cuh"

namespace hiergeo::cuda {

struct Chunk {
  int64_t batch, batches, row, rows, column, columns;
};

// How many rows of `columns` numbers a chunk holds, at least one.
inline int64_t rows_of_chunk(int64_t columns, int64_t element_size = sizeof(float)) {
  return std::max<int64_t>(1, kChunkBytes / element_size / std::max<int64_t>(1, columns));
}

// Memory for the matrix of any chunk of the problem.
inline Tensor chunk_memory(const Tensor& like, int64_t batches, int64_t rows, int64_t columns) {
  constexpr int64_t most = kChunkBytes / sizeof(float);
  double whole = double(batches) * double(rows) * double(columns);
  return scratch<float>(like, whole < double(most) ? int64_t(whole) : most);
}

// Calls body(chunk) on parts of at most kChunkBytes, from left to right for each block of rows; small problems of a
// batch are taken together, and where there are few rows a part is as wide as they leave room for.
template <class Body> void for_each_chunk(int64_t batches, int64_t rows, int64_t columns, Body body) {
  int64_t wide = rows_of_chunk(batches * rows);
  int64_t width = std::min(columns, std::max(kWidestChunk, wide)), most = rows_of_chunk(width);
  int64_t height = std::min(rows, most);
  if (height == 0 || width == 0) return;
  bool whole = height == rows && width == columns;
  int64_t together = whole ? most / height : 1;
  for (int64_t batch = 0; batch < batches; batch += together) {
    for (int64_t row = 0; row < rows; row += height) {
      for (int64_t column = 0; column < columns; column += width) {
        body(Chunk{batch, std::min(together, batches - batch), row, std::min(height, rows - row), column,
                   std::min(width, columns - column)});
      }
    }
  }
}

// Some rows of some batches of a side.
inline Side part(Side side, int64_t batch, int64_t batches, int64_t first, int64_t count) {
  int64_t point = batch * side.point_stride + first;
  side.rows = side.row(batch, first);
  side.points = static_cast<const Point*>(side.points) + point;
  side.inverses += point;
  if (side.vectors.rows != nullptr) side.vectors.rows = side.vector(batch, first);
  side.batches = batches;
  side.count = count;
  return side;
}
inline Side rows_part(const Side& side, const Chunk& chunk) {
  return part(side, chunk.batch, chunk.batches, chunk.row, chunk.rows);
}
inline Side columns_part(const Side& side, const Chunk& chunk) {
  return part(side, chunk.batch, chunk.batches, chunk.column, chunk.columns);
}

}  // namespace hiergeo::cuda
