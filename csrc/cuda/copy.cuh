// Asynchronous copies from global to shared memory (cp.async), and the pipeline that they fill.
#pragma once

#include <stdint.h>

namespace hiergeo::cuda {
namespace {

constexpr int kThreads = 256;

__device__ inline uint32_t shared_address(const void* pointer) {
  return static_cast<uint32_t>(__cvta_generic_to_shared(pointer));
}

// Copies `valid` of BYTES bytes (4, 8 or 16) and fills the rest with zeros. `from` is aligned to BYTES.
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

// load(step, slot) copies one step of the product into a slot of shared memory, multiply(slot) uses it. A slot is
// filled again only after the barrier that follows its last use: step s refills slot (s - 1) % STAGES. On return all
// copies have landed and every thread is past its last use.
template <int STAGES, class Load, class Multiply> __device__ void pipeline(int steps, Load load, Multiply multiply) {
  for (int s = 0; s < STAGES - 1; ++s) {
    if (s < steps) load(s, s);
    commit_copies();
  }
  for (int s = 0; s < steps; ++s) {
    await_copies<STAGES - 2>();
    __syncthreads();
    int ahead = s + STAGES - 1;
    if (ahead < steps) load(ahead, ahead % STAGES);
    commit_copies();
    multiply(s % STAGES);
  }
  await_copies<0>();
  __syncthreads();
}

}  // namespace
}  // namespace hiergeo::cuda
