// The operations of one instruction set level: plain arguments in, the right templates called.
#pragma once

#include "backward.h"
#include "contrast.h"
#include "counts.h"
#include "evaluations.h"
#include "ladder.h"
#include "nearest.h"
#include "peak.h"
#include "sinks.h"
#include "weighings.h"

namespace hiergeo {
namespace {

template <class F> inline auto by_compute_type(Dtype dtype, F f) {
  return dtype == Dtype::float64 ? f(double()) : f(float());
}

template <class T, class To>
inline void store_as(const Factors& factors, Quantity quantity, Output out, ParallelFor parallel) {
  Store<T, To> sink(out.data, out.stride);
  sweep<T>(factors, Evaluations<T>(factors, quantity), norm_of(quantity), sink, parallel);
}

inline void store(const Factors& factors, Quantity quantity, Output out, ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    switch (out.dtype) {
      case Dtype::float32: return store_as<T, float>(factors, quantity, out, parallel);
      case Dtype::float64: return store_as<T, double>(factors, quantity, out, parallel);
      case Dtype::bfloat16: return store_as<T, Brain>(factors, quantity, out, parallel);
      case Dtype::float16: return store_as<T, Half>(factors, quantity, out, parallel);
    }
  });
}

inline void count(const Factors& factors, int64_t* counts, ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Count<T> sink(counts);
    sweep<T>(factors, Evaluations<T>(factors, Quantity::cone_margin), Norm::least, sink, parallel);
  });
}

inline void count_within_of(const Factors& factors, Quantity quantity, const double* reach, int64_t* counts,
                            ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    count_within<decltype(compute)>(factors, quantity, reach, counts, parallel);
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

inline void energy_total(const Pairs& pairs, LossKind kind, double* total, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    LossSum<T> sink(pairs.x, kind);
    sweep<T>(pairs, evaluation_of<T>(Quantity::exterior_angle, pairs.curvature), sink, parallel);
    *total = sink.total();
  });
}

inline void energy_gradients(const Pairs& pairs, LossKind kind, double* total, Gradients to, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    *total = backward<T>(pairs, Quantity::energy, LossWeigher<T>(kind), to, parallel).value;
  });
}

inline void energy_min(const Pairs& pairs, void* values, int64_t* indices, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    Least<T> sink(static_cast<T*>(values), indices);
    sweep<T>(pairs, evaluation_of<T>(Quantity::energy, pairs.curvature), sink, parallel);
  });
}

inline void smallest_of(const Factors& factors, Quantity quantity, bool swap, int64_t k, void* values, int64_t* indices,
                        ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    smallest<T>(factors, quantity, swap, k, static_cast<T*>(values), indices, parallel);
  });
}

inline void rank_of(const Factors& factors, Quantity quantity, bool swap, const int64_t* target, int64_t* ranks,
                    ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    rank<decltype(compute)>(factors, quantity, swap, target, ranks, parallel);
  });
}

inline void nearest_ladder_of(const Factors& factors, Quantity quantity, const int64_t* order, const int64_t* ends,
                              int64_t thresholds, int64_t* indices, void* distances, ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    nearest_ladder<T>(factors, quantity, order, ends, thresholds, indices, static_cast<T*>(distances), parallel);
  });
}

inline void ladder_of(const Points& queries, const Points& candidates, const int64_t* order, const int64_t* ends,
                      int64_t thresholds, int64_t* indices, void* cosines, Product product, ParallelFor parallel) {
  by_compute_type(queries.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    ladder<T>(queries, candidates, order, ends, thresholds, indices, static_cast<T*>(cosines), product, parallel);
  });
}

inline void backward_of(const Pairs& pairs, Quantity quantity, Upstream upstream, Gradients to, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    backward<T>(pairs, quantity, UpstreamWeigher<T>(quantity, upstream), to, parallel);
  });
}

inline void contrast_of(const Factors& factors, Quantity quantity, const Logits& logits, Contrast to, ParallelFor parallel) {
  by_compute_type(factors[0].x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    (logits.softplus ? contrast<T, true> : contrast<T, false>)(factors, quantity, logits, to, parallel);
  });
}

inline void contrast_gradients_of(const Pairs& pairs, const Logits& logits, Contrast found, Contrast upstream, Gradients to,
                                  double* scale, double* bias, ParallelFor parallel) {
  by_compute_type(pairs.x.direction.dtype, [&](auto compute) {
    using T = decltype(compute);
    const auto gradients = logits.softplus ? contrast_gradients<T, true> : contrast_gradients<T, false>;
    const WeighedSums sums = gradients(pairs, logits, found, upstream, to, parallel);
    *scale = -sums.value;
    *bias = sums.weight;
  });
}

constexpr Level level_named(const char* name) {
  return {name,       store,        backward_of,      count,      count_within_of, members,
          energy_sum, energy_total, energy_gradients, energy_min, contrast_of,     contrast_gradients_of,
          shade,      smallest_of, rank_of, nearest_ladder_of, ladder_of, weigh_all, multiply_adds};
}

}  // namespace
}  // namespace hiergeo
