// What C++ cannot express: dynamic shared memory, asynchronous copies, matrix fragments and tensor cores, one thin wrapper
// each. Everything else in this folder is plain CUDA C++. The tests replace this file and device.cuh, and run the rest as it
// is (tests/pairwise/simt).
#pragma once

#include <stdint.h>

// The dynamic shared memory of the block, 16-byte aligned.
#define HIERGEO_DYNAMIC_SHARED(name) extern __shared__ __align__(16) char name[]

namespace hiergeo::cuda {
namespace {

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Copies `valid` of BYTES bytes (4, 8 or 16) from global to shared memory and fills the rest with zeros. `from` is aligned
// to BYTES.
template <int BYTES> __device__ void copy_async(void* to, const void* from, int valid) {
  if constexpr (BYTES == 16) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(valid)
                 : "memory");
  } else {
    asm volatile("cp.async.ca.shared.global [%0], [%1], %2, %3;" ::"r"(shared_address(to)), "l"(from), "n"(BYTES),
                 "r"(valid)
                 : "memory");
  }
}

__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int PENDING> __device__ void await_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(PENDING) : "memory");
}

// Four 8 x 8 matrices of 16-bit words in shared memory: lane i gives the address of row i % 8 of matrix i / 8, 16-byte
// aligned, and gets the two words at row i / 4 and columns 2 (i % 4) and the next of each.
__device__ inline void load_matrices(uint32_t (&to)[4], const void* from) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(from))
               : "memory");
}

// The bits of a float32 rounded to the 10 bits of TF32, to nearest.
__device__ inline uint32_t round_to_tf32(uint32_t bits) {
  asm("cvt.rna.tf32.f32 %0, %0;" : "+r"(bits));
  return bits;
}

// sum += a b of 16 x 8 results, over 16 numbers of 16 bits or 8 of TF32; fragments lie as the PTX manual has them.
#define HIERGEO_MMA(NAME, SHAPE)                                                                                        \
  __device__ inline void NAME(float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {                      \
    asm volatile("mma.sync.aligned." SHAPE " {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"           \
                 : "+f"(sum[0]), "+f"(sum[1]), "+f"(sum[2]), "+f"(sum[3])                                               \
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));                                       \
  }
HIERGEO_MMA(multiply_bfloat16, "m16n8k16.row.col.f32.bf16.bf16.f32")
HIERGEO_MMA(multiply_float16, "m16n8k16.row.col.f32.f16.f16.f32")
HIERGEO_MMA(multiply_tf32, "m16n8k8.row.col.f32.tf32.tf32.f32")
#undef HIERGEO_MMA

}  // namespace
}  // namespace hiergeo::cuda
