// The operations of one instruction set level: plain arguments in, the right templates called.
#pragma once

#include "backward.h"
#include "evaluations.h"
#include "ladder.h"
#include "nearest.h"
#include "peak.h"
#include "sinks.h"

namespace hiergeo {
namespace {

template <class F> inline auto by_compute_type(Dtype dtype, F f) {
  return dtype == Dtype::float64 ? f(double()) : f(float());
}

template <class T, class To> inline void store_as(const Pairs& pairs, Quantity quantity, Output out, ParallelFor parallel) {
  Store<T, To> sink(out.data, out.stride);
  sweep<T>(pairs, evaluation_of<T>(quantity, pairs.curvature), sink, parallel);
}

inline void store(const Pairs& pairs, Quantity quantity, Output out, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    switch (out.dtype) {
      case Dtype::float32: return store_as<T, float>(pairs, quantity, out, parallel);
      case Dtype::float64: return store_as<T, double>(pairs, quantity, out, parallel);
      case Dtype::bfloat16: return store_as<T, Brain>(pairs, quantity, out, parallel);
      case Dtype::float16: return store_as<T, Half>(pairs, quantity, out, parallel);
    }
  });
}

inline void count(const Pairs& pairs, int64_t* counts, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Count<T> sink(counts);
    sweep<T>(pairs, evaluation_of<T>(Quantity::cone_margin, pairs.curvature), sink, parallel);
  });
}

inline void members(const Pairs& pairs, int64_t* columns, int64_t* next, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Members<T> sink(columns, next);
    sweep<T>(pairs, evaluation_of<T>(Quantity::cone_margin, pairs.curvature), sink, parallel);
  });
}

inline void energy_sum(const Pairs& pairs, double* sums, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Sum<T> sink(sums);
    sweep<T>(pairs, evaluation_of<T>(Quantity::energy, pairs.curvature), sink, parallel);
  });
}

inline void energy_min(const Pairs& pairs, void* values, int64_t* indices, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Least<T> sink(static_cast<T*>(values), indices);
    sweep<T>(pairs, evaluation_of<T>(Quantity::energy, pairs.curvature), sink, parallel);
  });
}

inline void smallest_of(const Pairs& pairs, bool swap, int64_t k, void* values, int64_t* indices, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    smallest<T>(pairs, swap, k, static_cast<T*>(values), indices, parallel);
  });
}

inline void ladder_of(Rows queries, Rows candidates, const int64_t* order, const int64_t* ends, int64_t thresholds,
                      int64_t* indices, void* cosines, Product product, ParallelFor parallel) {
  by_compute_type(queries.dtype, [&](auto compute) {
    using T = decltype(compute);
    ladder<T>(queries, candidates, order, ends, thresholds, indices, static_cast<T*>(cosines), product, parallel);
  });
}

inline void backward_of(const Pairs& pairs, Quantity quantity, Upstream upstream, Gradients to, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    backward<T>(pairs, quantity, upstream, to, parallel);
  });
}

constexpr Level level_named(const char* name) {
  return {name, store, backward_of, count, members, energy_sum, energy_min, smallest_of, ladder_of, multiply_adds};
}

}  // namespace
}  // namespace hiergeo
