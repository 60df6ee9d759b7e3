// Pairs near a common line. Where 1 - cos or 1 + cos of a product is small, it has lost its digits, and is taken from the
// chord of the two rows instead: |x/|x| - y/|y||^2 / 2 = 1 - cos, and with y turned round 1 + cos.
//
// Where that begins follows from the error e of the cosine. With q = 1 - cos or 1 + cos, an exterior angle moves with theta
// by at most 1/(2 theta), at radii that differ by as much as the rays do, and theta by e/theta: together by e/(4 q). A
// distance changes by at most e/(2 q) of itself. Kept below kMostError, that asks for q >= e/(2 kMostError). The error of
// a product grows as the square root of the numbers that are summed one after the other; its share and the constant are
// the largest that bars see, with tensor cores that cut sums off as those of an A100 and an H100 do.
#pragma once

#include <algorithm>
#include <cuda/device.cuh>

#include "../pair_math.h"
#include "product_fma.cuh"

namespace hiergeo::cuda {

constexpr double kMostError = 9e-6;  // of distances, which may be wrong by 1e-5 of themselves

// The smallest 1 - cos and 1 + cos that are taken from the product of rows of `width` numbers.
inline double nearest_by_product(Kind kind, int64_t width) {
  if (!repairs_near_pairs()) return -1;
  constexpr double rounding = 5.9604644775390625e-08;  // 2^-24
  double summed = kind == Kind::float32 ? 0.75 * sqrt(double(std::min<int64_t>(width, kSummed))) : 0.25 * sqrt(double(width));
  return rounding * (2.5 + summed) / (2 * kMostError);
}

namespace {

// Rays closer than this, an angle of 6e-16, are one: 1 - cos, or 1 + cos of opposite ones, is no more than rounding.
constexpr double kSameRay = 0x1p-102;

// Above this, 1 - cos and 1 + cos of a chord in float32 are more than the rounding of the ratio of the norms.
constexpr float kPartedRays = 0x1p-90f;

// The opening of two rows by both of their chords in float64, by a whole warp; pi/2 where a row is zero. Products are
// rounded before they are subtracted, so that equal rays give exactly 0.
__device__ inline Opening<double> measured_opening(const Side& a, const Side& b, int64_t batch, int64_t i, int64_t j) {
  double scale_a = a.inverses[a.point(batch, i)].row, scale_b = b.inverses[b.point(batch, j)].row;
  const bool exact = are_exact(a, b);
  double apart = 0, across = 0;
  for (int d = threadIdx.x % 32; d < a.width; d += 32) {
    double x = ray_number(a, batch, i, d, exact), y = ray_number(b, batch, j, d, exact);
    apart += (x - y) * (x - y);
    across += (x + y) * (x + y);
  }
  apart = warp_sum(apart) / 2;
  across = warp_sum(across) / 2;
  apart = apart < kSameRay ? 0 : apart;
  across = across < kSameRay ? 0 : across;
  bool rays = scale_a != 0 && scale_b != 0;
  return {rays ? apart : 1 + 0 * apart, rays ? across : 1 + 0 * across};
}

// Sums of squares of x - ratio y, several numbers of a row at a time. The ratio has two parts and every product is
// subtracted before it is rounded, so that nothing is lost however near the rays are, and equal rays give exactly 0.
struct Chord {
  float high, low, square = 0;

  __device__ explicit Chord(double ratio) : high(float(ratio)), low(float(ratio - high)) {}
  __device__ void add(float x, float y) {
    float between = fmaf(-y, low, fmaf(-y, high, x));
    square = fmaf(between, between, square);
  }
};

// The square of the chord of two rows, a share of it in each of kSharers lanes. Rows of 16-bit numbers are whole words of
// 16 bytes.
constexpr int kSharers = 8;
template <class Number> __device__ float chord_share_of(const char* a, const char* b, int width, double ratio) {
  constexpr int count = sizeof(Number) == 2 ? 8 : 1;
  struct alignas(count * sizeof(Number)) Numbers {
    Number at[count];
  };
  auto *x = reinterpret_cast<const Numbers*>(a), *y = reinterpret_cast<const Numbers*>(b);
  Chord chord(ratio);
#pragma unroll 2
  for (int c = threadIdx.x % kSharers; c < (width + count - 1) / count; c += kSharers) {
    Numbers u = x[c], v = y[c];
#pragma unroll
    for (int i = 0; i < count; ++i) chord.add(widened(u.at[i]), widened(v.at[i]));
  }
  return chord.square;
}
__device__ inline float chord_share(const char* a, const char* b, Dtype dtype, int width, double ratio) {
  switch (dtype) {
    case Dtype::bfloat16: return chord_share_of<__nv_bfloat16>(a, b, width, ratio);
    case Dtype::float16: return chord_share_of<__half>(a, b, width, ratio);
    default: return chord_share_of<float>(a, b, width, ratio);
  }
}

// Lengths whose ratio differs from 1 by less: vectors are then subtracted as they are, and what their lengths differ by after.
constexpr double kAlike = 0.25;

// The same of the vectors that two rows were rounded from, whose lengths have the ratio 1 + excess.
__device__ inline float vector_chord_share(const Side& a, const Side& b, int64_t batch, int64_t i, int64_t j, float excess) {
  const char *x = a.vector(batch, i), *y = b.vector(batch, j);
  const float2* origin = b.split_origin();
  float square = 0;
  for (int d = threadIdx.x % kSharers; d < a.width; d += kSharers) {
    float u = element(x, a.vector_dtype, d), v = element(y, b.vector_dtype, d);
    float between = fmaf(-excess, (v - origin[d].x) - origin[d].y, u - v);
    square = fmaf(between, between, square);
  }
  return square;
}

// The openings of row i of `a` with the rows first + lane of `b`, in the lanes named by `pending`; four at a time, each by
// eight lanes. `opening` is what the products gave: it tells near from opposite rays.
[[maybe_unused]] __device__ __noinline__ Opening<float> near_openings(const Side& a, const Side& b, int64_t batch, int64_t i,
                                                                      int64_t first, unsigned pending,
                                                                      Opening<float> opening) {
  int lane = threadIdx.x % 32, rank = __popc(pending & ((1u << lane) - 1));
  bool mine = pending >> lane & 1;
  unsigned opposite = __ballot_sync(kWarp, opening.coversine < opening.versine);
  const bool exact = are_exact(a, b);
  const Inverses scale = a.inverses[a.point(batch, i)];
  for (int done = 0; pending != 0; done += 32 / kSharers) {
    unsigned rest = pending;
    for (int g = 0; g < lane / kSharers; ++g) rest &= rest - 1;
    int chosen = rest != 0 ? __ffs(rest) - 1 : 0;
    float square = 0;
    if (rest != 0) {
      const bool turned = opposite >> chosen & 1;
      const int64_t j = first + chosen;
      const Inverses other = b.inverses[b.point(batch, j)];
      const double excess = exact ? other.vector / scale.vector - 1 : 1;
      if (!turned && excess > -kAlike && excess < kAlike) {
        const float longer = float(scale.vector / scale.row);
        square = vector_chord_share(a, b, batch, i, j, float(excess)) * longer * longer;
      } else {
        double ratio = other.row / scale.row;
        square = chord_share(a.row(batch, i), b.row(batch, j), a.dtype, a.width, turned ? -ratio : ratio);
      }
    }
    for (int reach = kSharers / 2; reach > 0; reach /= 2) square += __shfl_xor_sync(kWarp, square, reach);
    float near = square * float(scale.row) * float(scale.row) / 2;
    near = __shfl_sync(kWarp, near, (rank - done) * kSharers & 31);
    if (mine && done <= rank && rank < done + 32 / kSharers) {
      opening = opening.coversine < opening.versine ? Opening<float>{2 - near, near} : Opening<float>{near, 2 - near};
    }
    for (int g = 0; g < 32 / kSharers; ++g) pending &= pending - 1;
  }
  return opening;
}

// The same in float64, for rows of which neither products nor chords in float32 tell anything.
[[maybe_unused]] __device__ __noinline__ Opening<float> unknown_openings(const Side& a, const Side& b, int64_t batch, int64_t i,
                                                                         int64_t first, unsigned pending,
                                                                         Opening<float> opening) {
  for (; pending != 0; pending &= pending - 1) {
    int lane = __ffs(pending) - 1;
    Opening<double> exact = measured_opening(a, b, batch, i, first + lane);
    if (threadIdx.x % 32 == lane) opening = {float(exact.versine), float(exact.coversine)};
  }
  return opening;
}

}  // namespace
}  // namespace hiergeo::cuda
