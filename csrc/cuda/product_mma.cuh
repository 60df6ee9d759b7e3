// The product of a tile of rows with another on tensor cores, summed in float32: bfloat16, float16, and float32 as TF32.
#pragma once

#include <type_traits>

#include "product_fma.cuh"

namespace hiergeo::cuda {
namespace {

// Eight warps, 2 x 4, own 64 x 32 results each: 4 x 4 fragments of 16 x 8. Operands are row-major, 64 bytes a row, in
// chunks of 16 bytes; chunk c of row r lies at c ^ (r / 2 % 4), so that the eight rows that ldmatrix reads at once meet
// every bank once. A fragment is two chunks deep whatever the numbers are.
template <Kind KIND> struct Mma {
  using Word = std::conditional_t<KIND == Kind::tf32, uint32_t, uint16_t>;
  static constexpr int size = Tile::size, chunk = 16 / int(sizeof(Word)), depth = 4 * chunk, stages = 4;
  static constexpr int operand = size * depth, stage = 2 * operand;

  static __device__ int place(int row, int c) { return row * depth + ((c ^ (row / 2 % 4)) * chunk); }
};

constexpr size_t kMmaBytes = size_t(Mma<Kind::tf32>::stages) * Mma<Kind::tf32>::stage * sizeof(uint32_t);

// Each thread copies one chunk of a row, 64 rows a pass. Rows are whole chunks; those beyond the last, and chunks beyond
// the width, are zeros.
template <Kind KIND> struct ChunkLoader {
  using Shape = Mma<KIND>;
  using Word = typename Shape::Word;
  static constexpr int passes = Shape::size / 64;
  const Side& side;
  const Word* row;
  int left;  // rows from the first of this thread to the last of all, at most a tile

  __device__ ChunkLoader(const Side& side, int64_t batch, int64_t first) : side(side) {
    int64_t mine = first + threadIdx.x / 4, more = side.count - mine;
    row = reinterpret_cast<const Word*>(side.row(batch, mine)) + threadIdx.x % 4 * Shape::chunk;
    left = more < Shape::size ? int(more) : Shape::size;
  }

  __device__ void load(Word* to, int begin, int width) const {
    int c = int(threadIdx.x) % 4;
    bool present = begin + c * Shape::chunk < width;
    const Word* from = row + begin;
#pragma unroll
    for (int i = 0; i < passes; ++i, from += 64 * side.row_stride) {
      copy_async<16>(to + Shape::place(64 * i + int(threadIdx.x) / 4, c), from, present && 64 * i < left ? 16 : 0);
    }
  }
};

// Four 8 x 8 matrices of 16-bit words, or four 8 x 4 matrices of 32-bit ones: a lane gets the 32 bits at row lane / 4 and
// column lane % 4 of each. TF32 takes float32 rounded to nearest, where the tensor cores alone would cut it off.
template <Kind KIND> __device__ void load_fragments(uint32_t (&to)[4], const typename Mma<KIND>::Word* from) {
  load_matrices(to, from);
  if constexpr (KIND == Kind::tf32) {
#pragma unroll
    for (int i = 0; i < 4; ++i) to[i] = round_to_tf32(to[i]);
  }
}

template <Kind KIND>
__device__ void multiply_fragments(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (KIND == Kind::bfloat16) multiply_bfloat16(sum, a, b0, b1);
  if constexpr (KIND == Kind::float16) multiply_float16(sum, a, b0, b1);
  if constexpr (KIND == Kind::tf32) multiply_tf32(sum, a, b0, b1);
}

// As `product_fma`, with results in float32.
template <Kind KIND>
__device__ __forceinline__ void product_mma(const Side& a, const Side& b, int64_t batch, int64_t a_first,
                                            int64_t b_first, float* shared) {
  using Shape = Mma<KIND>;
  using Word = typename Shape::Word;
  Word* operands = reinterpret_cast<Word*>(shared);
  ChunkLoader<KIND> load_a(a, batch, a_first), load_b(b, batch, b_first);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, width = a.width;
  int i0 = warp / 4 * 64, j0 = warp % 4 * 32;
  float sum[4][4][4] = {};

  auto load = [&](int step, int slot) {
    Word* stage = operands + slot * Shape::stage;
    load_a.load(stage, step * Shape::depth, width);
    load_b.load(stage + Shape::operand, step * Shape::depth, width);
  };
  // Tensor cores cut off what they add. A sum over a stage begins at 0 and is added to the sums before it by an ordinary,
  // rounded addition, so that the cut is relative to the stage and never grows with the width.
  auto multiply = [&](int, int slot) {
    const Word* stage = operands + slot * Shape::stage;
    // ldmatrix takes the address of row lane % 8 of matrix lane / 8. For b these are rows 0-7 of both chunks, then rows
    // 8-15; for a rows 0-7 and 8-15 of the first chunk, then of the second.
    uint32_t y[2][2][4];
#pragma unroll
    for (int k = 0; k < 2; ++k) {
#pragma unroll
      for (int f = 0; f < 2; ++f) {
        load_fragments<KIND>(y[k][f], stage + Shape::operand +
                                          Shape::place(j0 + f * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      uint32_t x[2][4];
#pragma unroll
      for (int k = 0; k < 2; ++k) {
        load_fragments<KIND>(x[k], stage + Shape::place(i0 + i * 16 + lane % 16, 2 * k + lane / 16));
      }
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        float part[4] = {};
#pragma unroll
        for (int k = 0; k < 2; ++k) {
          multiply_fragments<KIND>(part, x[k], y[k][j / 2][j % 2 * 2], y[k][j / 2][j % 2 * 2 + 1]);
        }
#pragma unroll
        for (int r = 0; r < 4; ++r) sum[i][j][r] += part[r];
      }
    }
  };
  pipeline<Shape::stages>((width + Shape::depth - 1) / Shape::depth, load, multiply);

  // A lane holds columns 2 (lane % 4) and the next of rows lane / 4 and lane / 4 + 8 of each fragment.
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float* to = shared + (i0 + i * 16 + lane / 4) * Tile::pitch + j0 + j * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = {sum[i][j][0], sum[i][j][1]};
      *reinterpret_cast<float2*>(to + 8 * Tile::pitch) = {sum[i][j][2], sum[i][j][3]};
    }
  }
}

}  // namespace
}  // namespace hiergeo::cuda
