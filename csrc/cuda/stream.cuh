// The host side of every launch, and tensors as scratch memory.
#pragma once

#include <torch/csrc/stable/ops.h>

#include <cuda/device.cuh>
#include <initializer_list>

namespace hiergeo::cuda {

using torch::headeronly::ScalarType;

// Starts kernels on the device and the current stream of an operator's directions, where allocations go while one lives.
class Launch {
 public:
  explicit Launch(const Tensor& directions) : scope_(directions) {
    STD_TORCH_CHECK(directions.scalar_type() != ScalarType::Double, "CUDA kernels take no float64 directions.");
  }

  cudaStream_t stream() const { return scope_.stream(); }

  // Runs `kernel` with `shared` bytes of dynamic shared memory; nothing where there are no blocks.
  template <class... Parameters, class... Arguments>
  void run(void (*kernel)(Parameters...), int64_t blocks, int threads, size_t shared, Arguments... arguments) const {
    if (blocks == 0) return;
    constexpr size_t without_asking = 48 * 1024;
    if (shared > without_asking) {
      check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize,
                                 int(shared)));
    }
    int64_t most = 1 << 30;  // kernels take further jobs in a loop
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(unsigned(blocks < most ? blocks : most));
    config.blockDim = dim3(unsigned(threads));
    config.dynamicSmemBytes = shared;
    config.stream = scope_.stream();
    check(cudaLaunchKernelEx(&config, kernel, arguments...));
  }

 private:
  DeviceScope scope_;
};

inline Tensor empty(const Tensor& like, std::initializer_list<int64_t> size, ScalarType dtype) {
  return torch::stable::new_empty(like, {size.begin(), size.size()}, dtype);
}

inline Tensor filled(const Tensor& like, std::initializer_list<int64_t> size, ScalarType dtype, double value) {
  return torch::stable::fill_(empty(like, size, dtype), value);
}

// Sums along one dimension, which torch forms in the same order every time.
inline Tensor sum_over(const Tensor& terms, int64_t dim) { return torch::stable::sum(terms, {{&dim, 1}}); }

// Memory for `count` values of T that lives as long as the tensor.
template <class T> Tensor scratch(const Tensor& like, int64_t count) {
  return empty(like, {count * int64_t(sizeof(T))}, ScalarType::Byte);
}

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace hiergeo::cuda
