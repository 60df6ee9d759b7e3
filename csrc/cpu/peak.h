// The peak that products are compared with: fused multiply-adds on registers.
#pragma once

#include "product.h"

// A register whose value the compiler must not see through.
#if defined(__aarch64__)
#define HIERGEO_OPAQUE(value) asm volatile("" : "+w"(value))
#else
#define HIERGEO_OPAQUE(value) asm volatile("" : "+v"(value))
#endif

namespace hiergeo {
namespace {

// Runs `repeats` turns of independent vector multiply-adds and returns how many floating-point operations that was.
inline double multiply_adds(int64_t repeats) {
  constexpr int kChains = 12;  // enough to hide the latency of two units
  Vector<float> sums[kChains] = {}, factor = Vector<float>{} + 0.999f, term = Vector<float>{} + 0.001f;
  HIERGEO_OPAQUE(factor);
  HIERGEO_OPAQUE(term);
  for (int64_t turn = 0; turn < repeats; ++turn)
    for (int chain = 0; chain < kChains; ++chain) {
      sums[chain] = sums[chain] * factor + term;
      HIERGEO_OPAQUE(sums[chain]);
    }
  return 2.0 * kChains * kLanes<float> * double(repeats);
}

}  // namespace
}  // namespace hiergeo
