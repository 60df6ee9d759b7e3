// What the library offers beside the operators of csrc/cuda.
#include <torch/csrc/stable/library.h>

#include <string>

#include "simt.h"

static std::string simd_level() { return "emulated"; }

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CompositeExplicitAutograd, m) { m.impl("simd_level", TORCH_BOX(&simd_level)); }

extern "C" __attribute__((visibility("default"))) const simt::Statistics* simt_statistics() { return &simt::statistics; }
