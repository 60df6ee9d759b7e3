// The product of a tile of rows with a tile of rows on the ordinary cores, in float32.
#pragma once

#include "copy.cuh"
#include "side.cuh"

namespace hiergeo::cuda {
namespace {

// A tile is square. Results lie in shared memory, `pitch` numbers from row to row.
struct Tile {
  static constexpr int size = 128, pitch = 136;
};

// Numbers of a row whose products are summed one after the other; longer rows are summed in parts of so many.
constexpr int kSummed = 512;

// 16 x 16 threads; each owns `parts` x `parts` blocks of 4 x 4 results, 64 apart. Operands are stored depth-major.
struct Fma {
  static constexpr int size = Tile::size, parts = size / 64, depth = 16, stages = 3;
  static constexpr int pitch = size + 4;  // rows of four numbers stay 16-byte aligned
  static constexpr int operand = depth * pitch, stage = 2 * operand;
  static constexpr size_t bytes = size_t(stages) * stage * sizeof(float);
};

// Eight lanes copy eight numbers of a row, four rows a warp, so that 32-byte sectors are read whole and the transposed
// writes meet no bank twice. Passes are 32 rows apart. Rows beyond the last and numbers beyond the width are zeros.
struct Loader {
  static constexpr int passes = Tile::size / 32;
  const float* row;
  int64_t step;
  int left;  // rows from the first of this thread to the last of all, at most a tile

  __device__ Loader(const Side& side, int64_t batch, int64_t first) {
    int64_t mine = first + threadIdx.x / 8, more = side.count - mine;
    row = reinterpret_cast<const float*>(side.row(batch, mine));
    step = 32 * side.row_stride;
    left = more < Tile::size ? int(more) : Tile::size;
  }

  __device__ void load(float* to, int begin, int width) const {
    float* place = to + int(threadIdx.x) % 8 * Fma::pitch + int(threadIdx.x) / 8;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int k = begin + int(threadIdx.x) % 8 + 8 * half;
      const float* from = row + k;
#pragma unroll
      for (int i = 0; i < passes; ++i, from += step) {
        int bytes = k < width && 32 * i < left ? int(sizeof(float)) : 0;
        copy_async<sizeof(float)>(place + 8 * half * Fma::pitch + 32 * i, from, bytes);
      }
    }
  }
};

struct alignas(16) Four {
  float at[4];
};

// Where one side of a tile has few rows, each thread meets one row of the other with four of them. It adds in the same order
// as for a full tile, so that a pair has the same product in any company.
struct Few {
  static constexpr int size = Tile::size, rows = 4 * kThreads / size;
  int many, few;  // of this thread: its row, and the first of its four
  bool of_a;      // whether the few are rows of a

  __device__ explicit Few(bool of_a)
      : many(int(threadIdx.x) % size), few(int(threadIdx.x) / size * 4), of_a(of_a) {}

  template <int N> __device__ void multiply(const float* stage, float (&sum)[N]) const {
    const float *of_few = stage + (of_a ? 0 : Fma::operand) + few, *of_many = stage + (of_a ? Fma::operand : 0) + many;
#pragma unroll
    for (int k = 0; k < Fma::depth; ++k, of_few += Fma::pitch, of_many += Fma::pitch) {
      Four x = *reinterpret_cast<const Four*>(of_few);
#pragma unroll
      for (int f = 0; f < 4; ++f) sum[f] += x.at[f] * *of_many;
    }
  }

  template <int N> __device__ void write(const float (&sum)[N], float* dots) const {
    constexpr int pitch = Tile::pitch;
#pragma unroll
    for (int f = 0; f < 4; ++f) dots[of_a ? (few + f) * pitch + many : many * pitch + few + f] = sum[f];
    if (of_a) return;
    for (int j = rows + few; j < size; j += rows) {  // owners beyond the last are read, and not looked at
#pragma unroll
      for (int f = 0; f < 4; ++f) dots[many * pitch + j + f] = 0;
    }
  }
};

// dots[i * pitch + j] = <row a_first + i, row b_first + j>, for rows of a up to the last, and all j, 0 beyond the last row
// of b. Called by all threads of the block; what `shared` held before must be done with. The sides have equal widths.
__device__ __forceinline__ void product_fma(const Side& a, const Side& b, int64_t batch, int64_t a_first, int64_t b_first,
                                            float* shared) {
  using Shape = Fma;
  constexpr int parts = Shape::parts, side = 4 * parts;
  Loader load_a(a, batch, a_first), load_b(b, batch, b_first);
  int i0 = int(threadIdx.x) / 16 * 4, j0 = int(threadIdx.x) % 16 * 4, width = a.width;
  float sum[side][side] = {};
  bool few_of_a = a.count - a_first <= Few::rows, narrow = few_of_a || b.count - b_first <= Few::rows;
  Few few(few_of_a);

  auto load = [&](int step, int slot) {
    float* stage = shared + slot * Shape::stage;
    load_a.load(stage, step * Shape::depth, width);
    load_b.load(stage + Shape::operand, step * Shape::depth, width);
  };
  // Long rows are summed in parts. What the parts before add up to is volatile, which keeps it in local memory: it
  // takes no registers while a part is summed.
  constexpr int part = kSummed / Shape::depth;
  volatile float before[side][side];
  auto multiply = [&](int step, int slot) {
    if (step > 0 && step % part == 0) {
#pragma unroll
      for (int i = 0; i < side; ++i) {
#pragma unroll
        for (int j = 0; j < side; ++j) {
          before[i][j] = step > part ? before[i][j] + sum[i][j] : sum[i][j];
          sum[i][j] = 0;
        }
      }
    }
    const float* stage = shared + slot * Shape::stage;
    if (narrow) return few.multiply(stage, sum[0]);
#pragma unroll
    for (int k = 0; k < Shape::depth; ++k) {
      Four x[parts], y[parts];
#pragma unroll
      for (int p = 0; p < parts; ++p) {
        x[p] = *reinterpret_cast<const Four*>(stage + k * Shape::pitch + p * 64 + i0);
        y[p] = *reinterpret_cast<const Four*>(stage + Shape::operand + k * Shape::pitch + p * 64 + j0);
      }
#pragma unroll
      for (int i = 0; i < side; ++i) {
#pragma unroll
        for (int j = 0; j < side; ++j) sum[i][j] += x[i / 4].at[i % 4] * y[j / 4].at[j % 4];
      }
    }
  };
  int steps = (width + Shape::depth - 1) / Shape::depth;
  pipeline<Shape::stages>(steps, load, multiply);

  if (steps > part) {
#pragma unroll
    for (int i = 0; i < side; ++i) {
#pragma unroll
      for (int j = 0; j < side; ++j) sum[i][j] += before[i][j];
    }
  }
  if (narrow) return few.write(sum[0], shared);
#pragma unroll
  for (int i = 0; i < side; ++i) {
#pragma unroll
    for (int p = 0; p < parts; ++p) {
      float* to = shared + (i / 4 * 64 + i0 + i % 4) * Tile::pitch + p * 64 + j0;
      *reinterpret_cast<Four*>(to) = {sum[i][4 * p], sum[i][4 * p + 1], sum[i][4 * p + 2], sum[i][4 * p + 3]};
    }
  }
}

}  // namespace
}  // namespace hiergeo::cuda
