// How row reductions are spread over blocks: a block takes a tile of rows and a span of column tiles.
#pragma once

#include "stream.cuh"
#include "tile.cuh"

namespace hiergeo::cuda {
namespace {

// Enough blocks to fill a GPU, yet few partial results a row: one per span, kept as [span][batch][row]. It depends on
// the shapes alone, so that sums are the same on every device.
struct Spans {
  int64_t rows, row_tiles, column_tiles, length, count, jobs;

  Spans(const Side& side, int64_t columns) {
    rows = side.batches * side.count;
    row_tiles = ceil_div(side.count, Tile::size);
    column_tiles = ceil_div(columns, Tile::size);
    int64_t blocks = side.batches * row_tiles;
    int64_t most = blocks == 0 ? 1 : ceil_div(kFillingBlocks, blocks);
    length = column_tiles <= most ? 1 : ceil_div(column_tiles, most);
    count = column_tiles == 0 ? 1 : ceil_div(column_tiles, length);
    jobs = blocks * count;
  }

  int64_t partials() const { return rows * count; }
};

// One block's share: rows from `row` on, column tiles [begin, end). Blocks that run together share columns.
struct Span {
  int64_t batch, row, index, begin, end;

  __device__ Span(const Spans& spans, int64_t job) {
    row = job % spans.row_tiles * Tile::size;
    job /= spans.row_tiles;
    index = job % spans.count;
    batch = job / spans.count;
    begin = index * spans.length;
    end = begin + spans.length < spans.column_tiles ? begin + spans.length : spans.column_tiles;
  }

  // Where the partial result of a row lies.
  __device__ int64_t partial(const Spans& spans, const Side& rows, int64_t i) const {
    return index * spans.rows + batch * rows.count + i;
  }
};

}  // namespace
}  // namespace hiergeo::cuda
