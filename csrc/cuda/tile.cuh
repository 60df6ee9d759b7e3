// One tile of pairs: the product of its rows, then every thread of the block walks over pairs that share one point.
//
// A tile has `owners`, along which results are adjacent, and `walkers`. Thread t owns point t % size and meets the
// share of walkers that belongs to its group t / size, in ascending order, so that what it keeps of its point stays in
// registers. Stored results have the columns as owners; row reductions have the rows.
#pragma once

#include <type_traits>

#include "../pair_math.h"
#include "product_mma.cuh"

namespace hiergeo::cuda {
namespace {

// Where 1 - cos or 1 + cos of the product falls below this, it is taken from the chord of the rows instead.
template <class T> struct Near;
template <> struct Near<float> {
  static constexpr float limit = 0.0625f;
};
template <> struct Near<double> {
  static constexpr double limit = 9.5367431640625e-07;
};

template <class T> struct Seats {
  static constexpr int size = Tile<T>::size, groups = kThreads / size, share = size / groups;
  static_assert(size % 32 == 0 && share <= 64, "a warp has one group; a share fits a mask");
};

// Where a tile is. Kept in shared memory, so that it takes no registers while the product runs.
struct Place {
  int64_t batch, owner, walker;  // the first of each
};

// Shared memory of a block: operands, then products in their place, then the walkers and the place of the tile.
template <class T> struct Shared {
  static constexpr size_t larger_of(size_t a, size_t b) { return a < b ? b : a; }
  static constexpr size_t products = size_t(Tile<T>::size) * Tile<T>::pitch * sizeof(T);
  static constexpr size_t operands = sizeof(T) == 4 ? larger_of(Fma<T>::bytes, kMmaBytes) : Fma<T>::bytes;
  static constexpr size_t walkers_at = larger_of(products, operands);
  static constexpr size_t place_at = walkers_at + Tile<T>::size * sizeof(Point<T>);
  static constexpr size_t bytes = place_at + sizeof(Place);
  static_assert(walkers_at % 16 == 0 && place_at % 8 == 0, "points are 16-byte aligned");

  static __device__ T* dots(char* memory) { return reinterpret_cast<T*>(memory); }
  static __device__ Point<T>* walkers(char* memory) { return reinterpret_cast<Point<T>*>(memory + walkers_at); }
  static __device__ Place& place(char* memory) { return *reinterpret_cast<Place*>(memory + place_at); }
};

// The type that pairs are computed in.
template <Kind KIND> using Compute = std::conditional_t<KIND == Kind::float64, double, float>;

template <Kind KIND, class T>
__device__ void product(const Side& a, const Side& b, int64_t batch, int64_t a_first, int64_t b_first, T* shared) {
  if constexpr (KIND == Kind::float32 || KIND == Kind::float64) {
    product_fma<T>(a, b, batch, a_first, b_first, shared);
  } else {
    product_mma<KIND>(a, b, batch, a_first, b_first, shared);
  }
}

// The opening of two rows from both of their chords, by a whole warp; pi/2 where a row is zero. Products are rounded
// before they are subtracted, so that equal rays give exactly 0.
__device__ __noinline__ Opening<double> measured_opening(const Side& a, const Side& b, int64_t batch, int64_t i,
                                                         int64_t j) {
  double scale_a = a.inverses[a.point(batch, i)], scale_b = b.inverses[b.point(batch, j)];
  const char *row_a = a.row(batch, i), *row_b = b.row(batch, j);
  double apart = 0, across = 0;
  for (int d = threadIdx.x % 32; d < a.width; d += 32) {
    double x = __dmul_rn(element(row_a, a.dtype, d), scale_a), y = __dmul_rn(element(row_b, b.dtype, d), scale_b);
    apart += (x - y) * (x - y);
    across += (x + y) * (x + y);
  }
  constexpr double same_ray = 0x1p-102;  // rays closer than this, an angle of 6e-16, are one
  apart = warp_sum(apart) / 2;
  across = warp_sum(across) / 2;
  apart = apart < same_ray ? 0 : apart;
  across = across < same_ray ? 0 : across;
  bool rays = scale_a != 0 && scale_b != 0;
  return {rays ? apart : 1 + 0 * apart, rays ? across : 1 + 0 * across};
}

// The point that this thread owns; nothing, at the root, beyond the last.
template <class T> __device__ Point<T> own_point(const Side& owners, int64_t batch, int64_t first) {
  int64_t i = first + threadIdx.x % Seats<T>::size;
  Point<T> nothing = {};
  return i < owners.count ? static_cast<const Point<T>*>(owners.points)[owners.point(batch, i)] : nothing;
}

// Visits the pairs of one tile. visit(w, walker, owner, opening) is called by whole warps, for lanes without an owner
// too; w counts from the first walker of the tile. The place of the tile stays readable until the next tile.
template <Kind KIND, class Visit>
__device__ void visit_tile(char* memory, const Side& owners, const Side& walkers, Place where, Visit visit) {
  using T = Compute<KIND>;
  using Seat = Seats<T>;
  T* dots = Shared<T>::dots(memory);
  Point<T>* points = Shared<T>::walkers(memory);
  Place& place = Shared<T>::place(memory);
  __syncthreads();  // every thread is done with the tile before
  if (threadIdx.x < Seat::size && where.walker + threadIdx.x < walkers.count) {
    int64_t i = walkers.point(where.batch, where.walker + threadIdx.x);
    points[threadIdx.x] = static_cast<const Point<T>*>(walkers.points)[i];
  }
  if (threadIdx.x == 0) place = where;
  product<KIND>(walkers, owners, where.batch, where.walker, where.owner, dots);
  __syncthreads();
  Point<T> owner = own_point<T>(owners, place.batch, place.owner);
  int seat = threadIdx.x % Seat::size, first = threadIdx.x / Seat::size * Seat::share;
  bool owned = place.owner + seat < owners.count;
  int64_t left = walkers.count - place.walker;
  int last = left < first + Seat::share ? int(left) : first + Seat::share;
  for (int w = first; w < last; ++w) {
    const Point<T>& walker = points[w];
    T cosine = dots[w * Tile<T>::pitch + seat] * (walker.inverse * owner.inverse);
    Opening<T> opening = {1 - cosine, 1 + cosine};
    constexpr T limit = Near<T>::limit;
    bool doubtful = owned && !(opening.versine >= limit && opening.coversine >= limit);
    for (unsigned pending = __ballot_sync(kWarp, doubtful); pending != 0; pending &= pending - 1) {
      int lane = __ffs(pending) - 1;
      int64_t other = place.owner + seat / 32 * 32 + lane;
      Opening<double> exact = measured_opening(walkers, owners, place.batch, place.walker + w, other);
      if (threadIdx.x % 32 == lane) opening = {T(exact.versine), T(exact.coversine)};
    }
    visit(w, walker, owner, opening);
  }
}

// s and K as kernels take them.
template <class T> struct Curvature {
  T scale, value;

  explicit Curvature(double curvature) : scale(T(sqrt(fabs(curvature)))), value(T(curvature)) {}
};

// The triangle whose apex, the point that the exterior angle is at, is `apex`.
template <int SIGN, class T>
__device__ Triangle<T, SIGN> triangle_of(const Point<T>& apex, const Point<T>& other, Opening<T> opening,
                                         Curvature<T> curvature) {
  return {apex.radial, other.radial, opening, curvature.scale * apex.radial.sine >= T(0.5), curvature.scale, curvature.value};
}

template <auto VALUE> using Constant = std::integral_constant<decltype(VALUE), VALUE>;

// Calls body(kind, sign) with the kind of product and the sign of the curvature as constants.
template <class Body> void with_sign(double curvature, Body body) {
  if (curvature < 0) return body(Constant<-1>());
  if (curvature > 0) return body(Constant<1>());
  return body(Constant<0>());
}
template <class Body> void with_kind(Kind kind, double curvature, Body body) {
  with_sign(curvature, [&](auto sign) {
    switch (kind) {
      case Kind::float32: return body(Constant<Kind::float32>(), sign);
      case Kind::float64: return body(Constant<Kind::float64>(), sign);
      case Kind::bfloat16: return body(Constant<Kind::bfloat16>(), sign);
      case Kind::float16: return body(Constant<Kind::float16>(), sign);
      case Kind::tf32: return body(Constant<Kind::tf32>(), sign);
    }
  });
}

// A kernel of float32 results runs as two blocks on a multiprocessor: 128 registers a thread.
template <Kind KIND> constexpr int kBlocks = KIND == Kind::float64 ? 1 : 2;

}  // namespace
}  // namespace hiergeo::cuda
