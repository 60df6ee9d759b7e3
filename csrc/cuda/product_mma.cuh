// The product of a tile of bfloat16 or float16 rows with another on tensor cores, summed in float32.
#pragma once

#include "product_fma.cuh"

namespace hiergeo::cuda {
namespace {

// Eight warps, 2 x 4, own 64 x 32 results each: 4 x 4 fragments of 16 x 8. Operands are row-major, 32 numbers a row, in
// chunks of eight; chunk c of row r lies at c ^ (r / 2 % 4), so that the eight rows that ldmatrix reads at once meet
// every bank once.
struct Mma {
  static constexpr int size = Tile<float>::size, depth = 32, stages = 4, chunk = 8;
  static constexpr int operand = size * depth, stage = 2 * operand;
  static constexpr size_t bytes = size_t(stages) * stage * 2;

  static __device__ int place(int row, int c) { return row * depth + ((c ^ (row / 2 % 4)) * chunk); }
};

// Each thread copies one chunk of a row, 64 rows a pass. Rows beyond the last and numbers beyond the width are zeros.
struct ChunkLoader {
  static constexpr int passes = Mma::size / 64;
  const uint16_t* row;
  int64_t step;
  int left;  // rows from the first of this thread to the last of all, at most a tile
  bool aligned;

  __device__ ChunkLoader(const Side& side, int64_t batch, int64_t first) {
    int64_t mine = first + threadIdx.x / 4, more = side.count - mine;
    row = reinterpret_cast<const uint16_t*>(side.row(batch, mine));
    step = 64 * side.row_stride;
    left = more < Mma::size ? int(more) : Mma::size;
    aligned = reinterpret_cast<uintptr_t>(row) % 16 == 0;  // then the rows of all passes are: 64 strides are
  }

  __device__ void load(uint16_t* to, int begin, int width) const {
    int c = int(threadIdx.x) % 4, k = begin + c * Mma::chunk;
    int present = k >= width ? 0 : width - k < Mma::chunk ? width - k : Mma::chunk;
    const uint16_t* from = row + k;
#pragma unroll
    for (int i = 0; i < passes; ++i, from += step) {
      uint16_t* place = to + Mma::place(64 * i + int(threadIdx.x) / 4, c);
      int count = 64 * i < left ? present : 0;
      if (aligned) {
        copy_async<16>(place, from, 2 * count);
      } else {
        store_chunk(place, from, count);
      }
    }
  }

  static __device__ void store_chunk(uint16_t* to, const uint16_t* from, int count) {
    uint32_t pair[Mma::chunk / 2];
#pragma unroll
    for (int i = 0; i < Mma::chunk / 2; ++i) {
      uint32_t low = 2 * i < count ? from[2 * i] : 0, high = 2 * i + 1 < count ? from[2 * i + 1] : 0;
      pair[i] = low | high << 16;
    }
    *reinterpret_cast<uint4*>(to) = {pair[0], pair[1], pair[2], pair[3]};
  }
};

__device__ inline void load_fragments(uint32_t (&to)[4], const uint16_t* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}

template <bool BFLOAT>
__device__ void multiply_fragments(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  if constexpr (BFLOAT) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  } else {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
                 "{%0, %1, %2, %3};"
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
  }
}

// As `product_fma`, with results in float32.
template <bool BFLOAT>
__device__ __forceinline__ void product_mma(const Side& a, const Side& b, int64_t batch, int64_t a_first,
                                            int64_t b_first, float* shared) {
  uint16_t* operands = reinterpret_cast<uint16_t*>(shared);
  ChunkLoader load_a(a, batch, a_first), load_b(b, batch, b_first);
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32, width = a.width;
  int i0 = warp / 4 * 64, j0 = warp % 4 * 32;
  float sum[4][4][4] = {};

  auto load = [&](int step, int slot) {
    uint16_t* stage = operands + slot * Mma::stage;
    load_a.load(stage, step * Mma::depth, width);
    load_b.load(stage + Mma::operand, step * Mma::depth, width);
  };
  auto multiply = [&](int slot) {
    const uint16_t* stage = operands + slot * Mma::stage;
#pragma unroll
    for (int k = 0; k < Mma::depth / 16; ++k) {
      // ldmatrix takes the address of row lane % 8 of 8 x 8 matrix lane / 8. For a these are rows 0-7 and 8-15 of the
      // first eight numbers, then of the last eight; for b rows 0-7 of both halves, then rows 8-15.
      uint32_t x[4][4], y[2][4];
#pragma unroll
      for (int f = 0; f < 4; ++f) {
        load_fragments(x[f], stage + Mma::place(i0 + f * 16 + lane % 16, 2 * k + lane / 16));
      }
#pragma unroll
      for (int f = 0; f < 2; ++f) {
        load_fragments(y[f], stage + Mma::operand +
                                 Mma::place(j0 + f * 16 + lane / 16 * 8 + lane % 8, 2 * k + lane / 8 % 2));
      }
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) {
          multiply_fragments<BFLOAT>(sum[i][j], x[i], y[j / 2][j % 2 * 2], y[j / 2][j % 2 * 2 + 1]);
        }
      }
    }
  };
  pipeline<Mma::stages>((width + Mma::depth - 1) / Mma::depth, load, multiply);

  // A lane holds columns 2 (lane % 4) and the next of rows lane / 4 and lane / 4 + 8 of each fragment.
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      float* to = shared + (i0 + i * 16 + lane / 4) * Tile<float>::pitch + j0 + j * 8 + lane % 4 * 2;
      *reinterpret_cast<float2*>(to) = {sum[i][j][0], sum[i][j][1]};
      *reinterpret_cast<float2*>(to + 8 * Tile<float>::pitch) = {sum[i][j][2], sum[i][j][3]};
    }
  }
}

}  // namespace
}  // namespace hiergeo::cuda
