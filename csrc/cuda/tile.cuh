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

// Where a thread sits while it walks over a tile: the point that it owns, and the first of the walkers that it meets.
struct Seat {
  int64_t batch, owner, walker;
  bool owned;  // false beyond the last owner
};

// The point that this thread owns; nothing, at the root, beyond the last.
template <class T> __device__ Point<T> own_point(const Side& owners, const Seat& seat) {
  Point<T> nothing = {};
  return seat.owned ? static_cast<const Point<T>*>(owners.points)[owners.point(seat.batch, seat.owner)] : nothing;
}

// The opening of a pair, from the product where that tells it; `owned` has a bit for every lane.
template <Kind KIND, class T>
__device__ Opening<T> opening_of(const Side& owners, const Side& walkers, const Place& place, int walker, unsigned owned,
                                 T cosine) {
  Opening<T> opening = {1 - cosine, 1 + cosine};
  T limit = walkers.near;
  unsigned doubtful = owned & __ballot_sync(kWarp, !(opening.versine >= limit && opening.coversine >= limit));
  if (doubtful == 0) return opening;
  int64_t i = place.walker + walker, first = place.owner + threadIdx.x % Seats<T>::size / 32 * 32;
  unsigned unknown = KIND == Kind::float64 ? doubtful : __ballot_sync(kWarp, isnan(cosine)) & doubtful;
  if constexpr (KIND != Kind::float64) {
    if (doubtful != unknown) {
      opening = near_openings<KIND>(walkers, owners, place.batch, i, first, doubtful & ~unknown, opening);
      T near = opening.versine < opening.coversine ? opening.versine : opening.coversine;
      unknown |= doubtful & __ballot_sync(kWarp, near > 0 && near < kPartedRays);
    }
  }
  return unknown_openings(walkers, owners, place.batch, i, first, unknown, opening);
}

// Leaves the products of one tile in shared memory, with its walkers and its place, for `walk_tile`.
template <Kind KIND>
__device__ __forceinline__ void multiply_tile(char* memory, const Side& owners, const Side& walkers, Place where) {
  using T = Compute<KIND>;
  Point<T>* points = Shared<T>::walkers(memory);
  __syncthreads();  // every thread is done with the tile before
  if (threadIdx.x < Seats<T>::size && where.walker + threadIdx.x < walkers.count) {
    int64_t i = walkers.point(where.batch, where.walker + threadIdx.x);
    points[threadIdx.x] = static_cast<const Point<T>*>(walkers.points)[i];
  }
  if (threadIdx.x == 0) Shared<T>::place(memory) = where;
  product<KIND>(walkers, owners, where.batch, where.walker, where.owner, Shared<T>::dots(memory));
  __syncthreads();
}

// Visits the pairs of the tile that was multiplied. `begin(seat)` is called once by every thread and gives what visits its
// pairs: pointers that it keeps are in registers during the walk alone. visit(w, walker, owner, opening) is called by whole
// warps, in ascending order of w, for threads without an owner too; w counts from seat.walker, below Seats<T>::share. The
// place of the tile stays readable until the next tile.
template <Kind KIND, class Begin>
__device__ __forceinline__ void walk_tile(char* memory, const Side& owners, const Side& walkers, Begin begin) {
  using T = Compute<KIND>;
  using Shape = Seats<T>;
  const Place& place = Shared<T>::place(memory);
  int column = threadIdx.x % Shape::size, first = threadIdx.x / Shape::size * Shape::share;
  Seat seat = {place.batch, place.owner + column, place.walker + first, place.owner + column < owners.count};
  Point<T> owner = own_point<T>(owners, seat);
  int64_t left = walkers.count - seat.walker;
  int count = left < Shape::share ? int(left) : Shape::share;
  const T* dots = Shared<T>::dots(memory) + first * Tile<T>::pitch + column;
  const Point<T>* points = Shared<T>::walkers(memory) + first;
  unsigned owned = __ballot_sync(kWarp, seat.owned);
  auto visit = begin(seat);
#pragma unroll 1
  for (int w = 0; w < count; ++w, ++points, dots += Tile<T>::pitch) {
    Point<T> walker = *points;
    T cosine = *dots * (walker.inverse * owner.inverse);
    visit(w, walker, owner, opening_of<KIND>(owners, walkers, place, first + w, owned, cosine));
  }
}

// Multiplies a tile and visits its pairs.
template <Kind KIND, class Begin>
__device__ void visit_tile(char* memory, const Side& owners, const Side& walkers, Place where, Begin begin) {
  multiply_tile<KIND>(memory, owners, walkers, where);
  walk_tile<KIND>(memory, owners, walkers, begin);
}

// s and K as kernels take them.
template <class T> struct Curvature {
  T scale, value;

  Curvature() = default;
  explicit Curvature(double curvature) : scale(T(sqrt(fabs(curvature)))), value(T(curvature)) {}
};

// Radial statistics with what the sign of the curvature makes 1 as a constant.
template <int SIGN, class T> __device__ Radial<T> radial_of(const Point<T>& point) {
  Radial<T> radial = point.radial;
  if (SIGN <= 0) radial.cosine = 1;
  if (SIGN >= 0) radial.shrink = 1;
  return radial;
}

// The triangle whose apex, the point that the exterior angle is at, is `apex`.
template <int SIGN, class T>
__device__ Triangle<T, SIGN> triangle_of(const Point<T>& apex, const Point<T>& other, Opening<T> opening,
                                         Curvature<T> curvature) {
  Radial<T> x = radial_of<SIGN>(apex), y = radial_of<SIGN>(other);
  return {x, y, opening, curvature.scale * x.sine >= T(0.5), curvature.scale, curvature.value};
}

template <auto VALUE> using Constant = std::integral_constant<decltype(VALUE), VALUE>;

// Calls body(kind) with the kind of product as a constant.
template <class Body> void with_product(Kind kind, Body body) {
  switch (kind) {
    case Kind::float32: return body(Constant<Kind::float32>());
    case Kind::float64: return body(Constant<Kind::float64>());
    case Kind::bfloat16: return body(Constant<Kind::bfloat16>());
    case Kind::float16: return body(Constant<Kind::float16>());
    case Kind::tf32: return body(Constant<Kind::tf32>());
  }
}

// Calls body(kind, sign) with the sign of the curvature as a constant too.
template <class Body> void with_kind(Kind kind, double curvature, Body body) {
  with_product(kind, [&](auto kind) {
    if (curvature < 0) return body(kind, Constant<-1>());
    if (curvature > 0) return body(kind, Constant<1>());
    return body(kind, Constant<0>());
  });
}

// A kernel of float32 results runs as two blocks on a multiprocessor: 128 registers a thread.
template <Kind KIND> constexpr int kBlocks = KIND == Kind::float64 ? 1 : 2;

}  // namespace
}  // namespace hiergeo::cuda
