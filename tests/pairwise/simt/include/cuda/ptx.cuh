// In place of csrc/cuda/ptx.cuh.
#pragma once

#include <cuda_runtime.h>

#define HIERGEO_DYNAMIC_SHARED(name) char* name = simt::dynamic_shared()

namespace hiergeo::cuda {
namespace {

template <int BYTES> void copy_async(void* to, const void* from, int valid) { simt::copy_async(to, from, BYTES, valid); }
inline void commit_copies() { simt::commit_copies(); }
template <int PENDING> void await_copies() { simt::await_copies(PENDING); }

inline void load_matrices(uint32_t (&to)[4], const void* from, simt::Where where = simt::Where::here()) {
  simt::load_matrices(to, from, where);
}

inline uint32_t round_to_tf32(uint32_t bits) {
  bool number = (bits & 0x7f800000u) != 0x7f800000u;
  return number ? (bits + 0x1000u) & 0xffffe000u : (bits & 0x7fffffu) != 0 ? 0x7fffffffu : bits;
}

inline void multiply_bfloat16(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                              simt::Where where = simt::Where::here()) {
  simt::multiply(simt::Number::bfloat16, sum, a, b0, b1, where);
}
inline void multiply_float16(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                             simt::Where where = simt::Where::here()) {
  simt::multiply(simt::Number::float16, sum, a, b0, b1, where);
}
inline void multiply_tf32(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1,
                          simt::Where where = simt::Where::here()) {
  simt::multiply(simt::Number::tf32, sum, a, b0, b1, where);
}

}  // namespace
}  // namespace hiergeo::cuda
