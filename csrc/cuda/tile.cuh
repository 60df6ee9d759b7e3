// One tile of pairs: the product of its rows, then every thread of the block walks over pairs that share one point.
//
// A tile has `owners`, along which results are adjacent, and `walkers`. Thread t owns point t % size and meets the
// share of walkers that belongs to its group t / size, in ascending order, so that what it keeps of its point stays in
// registers. Stored results have the columns as owners; row reductions have the rows.
#pragma once

#include <type_traits>

#include "near.cuh"
#include "product_mma.cuh"

namespace hiergeo::cuda {
namespace {

struct Seats {
  static constexpr int size = Tile::size, groups = kThreads / size, share = size / groups;
  static_assert(size % 32 == 0 && share <= 64, "a warp has one group; a share fits a mask");
};

// Where a tile is. Kept in shared memory, so that it takes no registers while the product runs.
struct Place {
  int64_t batch, owner, walker;  // the first of each
};

// Shared memory of a block: operands, then products in their place, then the walkers and the place of the tile.
struct Shared {
  static constexpr size_t products = size_t(Tile::size) * Tile::pitch * sizeof(float);
  static constexpr size_t operands = Fma::bytes < kMmaBytes ? kMmaBytes : Fma::bytes;
  static constexpr size_t walkers_at = products < operands ? operands : products;
  static constexpr size_t place_at = walkers_at + Tile::size * sizeof(Point);
  static constexpr size_t bytes = place_at + sizeof(Place);
  static_assert(walkers_at % 16 == 0 && place_at % 8 == 0, "points are 16-byte aligned");

  static __device__ float* dots(char* memory) { return reinterpret_cast<float*>(memory); }
  static __device__ Point* walkers(char* memory) { return reinterpret_cast<Point*>(memory + walkers_at); }
  static __device__ Place& place(char* memory) { return *reinterpret_cast<Place*>(memory + place_at); }
};

// Where a thread sits while it walks over a tile: the point that it owns, and the first of the walkers that it meets.
struct Seat {
  int64_t batch, owner, walker;
  bool owned;  // false beyond the last owner
};

// The point that this thread owns; nothing, at the root, beyond the last.
__device__ inline Point own_point(const Side& owners, const Seat& seat) {
  Point nothing = {};
  return seat.owned ? static_cast<const Point*>(owners.points)[owners.point(seat.batch, seat.owner)] : nothing;
}

// The opening of a pair, from the product where that tells it; `owned` has a bit for every lane.
__device__ inline Opening<float> opening_of(const Side& owners, const Side& walkers, const Place& place, int walker,
                                            unsigned owned, float cosine) {
  Opening<float> opening = {1 - cosine, 1 + cosine};
  float limit = walkers.near;
  unsigned doubtful = owned & __ballot_sync(kWarp, !(opening.versine >= limit && opening.coversine >= limit));
  if (doubtful == 0) return opening;
  int64_t i = place.walker + walker, first = place.owner + threadIdx.x % Seats::size / 32 * 32;
  unsigned unknown = __ballot_sync(kWarp, isnan(cosine)) & doubtful;
  if (doubtful != unknown) {
    opening = near_openings(walkers, owners, place.batch, i, first, doubtful & ~unknown, opening);
    float near = opening.versine < opening.coversine ? opening.versine : opening.coversine;
    unknown |= doubtful & __ballot_sync(kWarp, near > 0 && near < kPartedRays);
  }
  return unknown_openings(walkers, owners, place.batch, i, first, unknown, opening);
}

// Leaves the products of one tile in shared memory, with its walkers and its place, for `walk_tile`.
__device__ inline void multiply_tile(char* memory, const Side& owners, const Side& walkers, Place where) {
  Point* points = Shared::walkers(memory);
  float* dots = Shared::dots(memory);
  __syncthreads();  // every thread is done with the tile before
  if (threadIdx.x < Seats::size && where.walker + threadIdx.x < walkers.count) {
    int64_t i = walkers.point(where.batch, where.walker + threadIdx.x);
    points[threadIdx.x] = static_cast<const Point*>(walkers.points)[i];
  }
  if (threadIdx.x == 0) Shared::place(memory) = where;
  switch (owners.kind) {
    case Kind::float32: product_fma(walkers, owners, where.batch, where.walker, where.owner, dots); break;
    case Kind::bfloat16: product_mma<Kind::bfloat16>(walkers, owners, where.batch, where.walker, where.owner, dots); break;
    case Kind::float16: product_mma<Kind::float16>(walkers, owners, where.batch, where.walker, where.owner, dots); break;
    case Kind::tf32: product_mma<Kind::tf32>(walkers, owners, where.batch, where.walker, where.owner, dots); break;
  }
  __syncthreads();
}

// Visits the pairs of the tile that was multiplied. `begin(seat)` is called once by every thread and gives what visits its
// pairs: pointers that it keeps are in registers during the walk alone. visit(w, walker, owner, opening) is called by whole
// warps, in ascending order of w, for threads without an owner too; w counts from seat.walker, below Seats::share. The
// place of the tile stays readable until the next tile.
template <class Begin>
__device__ __forceinline__ void walk_tile(char* memory, const Side& owners, const Side& walkers, Begin begin) {
  const Place& place = Shared::place(memory);
  int column = threadIdx.x % Seats::size, first = threadIdx.x / Seats::size * Seats::share;
  Seat seat = {place.batch, place.owner + column, place.walker + first, place.owner + column < owners.count};
  Point owner = own_point(owners, seat);
  int64_t left = walkers.count - seat.walker;
  int count = left < Seats::share ? int(left) : Seats::share;
  const float* dots = Shared::dots(memory) + first * Tile::pitch + column;
  const Point* points = Shared::walkers(memory) + first;
  unsigned owned = __ballot_sync(kWarp, seat.owned);
  auto visit = begin(seat);
#pragma unroll 1
  for (int w = 0; w < count; ++w, ++points, dots += Tile::pitch) {
    Point walker = *points;
    float cosine = *dots * (walker.inverse * owner.inverse);
    visit(w, walker, owner, opening_of(owners, walkers, place, first + w, owned, cosine));
  }
}

template <auto VALUE> using Constant = std::integral_constant<decltype(VALUE), VALUE>;

// s and K as kernels take them.
struct Curvature {
  float scale, value;

  Curvature() = default;
  explicit Curvature(double curvature) : scale(float(sqrt(fabs(curvature)))), value(float(curvature)) {}
};

// Calls body(sign) with the sign of the curvature as a constant, so that the walk over the pairs of a tile does not ask for it.
template <class Body> __device__ __forceinline__ void with_sign(float curvature, Body body) {
  if (curvature < 0) return body(Constant<-1>());
  if (curvature > 0) return body(Constant<1>());
  body(Constant<0>());
}

// Multiplies a tile and visits its pairs; `begin` takes the sign of the curvature as a constant before the seat.
template <class Begin>
__device__ __forceinline__ void visit_tile(char* memory, const Side& owners, const Side& walkers, Place where,
                                           Curvature curvature, Begin begin) {
  multiply_tile(memory, owners, walkers, where);
  with_sign(curvature.value, [&](auto sign) {
    walk_tile(memory, owners, walkers, [&](const Seat& seat) { return begin(sign, seat); });
  });
}

// Radial statistics with what the sign of the curvature makes 1 as a constant.
template <int SIGN> __device__ Radial<float> radial_of(const Point& point) {
  Radial<float> radial = point.radial;
  if (SIGN <= 0) radial.cosine = 1;
  if (SIGN >= 0) radial.shrink = 1;
  return radial;
}

// The triangle whose apex, the point that the exterior angle is at, is `apex`.
template <int SIGN>
__device__ Triangle<float, SIGN> triangle_of(const Point& apex, const Point& other, Opening<float> opening,
                                             Curvature curvature) {
  Radial<float> x = radial_of<SIGN>(apex), y = radial_of<SIGN>(other);
  return {x, y, opening, curvature.scale * x.sine >= 0.5f, curvature.scale, curvature.value};
}

}  // namespace
}  // namespace hiergeo::cuda
