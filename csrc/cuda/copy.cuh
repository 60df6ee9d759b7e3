// The pipeline of stages in shared memory that asynchronous copies fill.
#pragma once

#include <stdint.h>

#include <cuda/ptx.cuh>

namespace hiergeo::cuda {
namespace {

constexpr int kThreads = 256;

// load(step, slot) copies one step of the product into a slot of shared memory, multiply(step, slot) uses it. A slot is
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
    multiply(s, s % STAGES);
  }
  await_copies<0>();
  __syncthreads();
}

}  // namespace
}  // namespace hiergeo::cuda
