// In place of csrc/cuda/device.cuh: the operators serve CPU tensors, and kernels touch no memory but that of the tensors whose
// data was asked for.
#pragma once

#include <cuda_runtime.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#define HIERGEO_DISPATCH_KEY CPU

namespace hiergeo::cuda {

using torch::stable::Tensor;

// Small, so that small problems have many chunks, and spans of several tiles.
constexpr int64_t kChunkBytes = int64_t(512) << 10;
constexpr int64_t kWidestChunk = 1024;
constexpr int64_t kFillingBlocks = 4;

inline bool repairs_near_pairs() {
  const char* setting = getenv("SIMT_REPAIR");
  return setting == nullptr || strcmp(setting, "0") != 0;
}

inline void check(cudaError_t status) {
  STD_TORCH_CHECK(status == cudaSuccess, "CUDA: ", cudaGetErrorString(status));
}

class DeviceScope {
 public:
  explicit DeviceScope(const Tensor&) { simt::begin_operator(); }
  ~DeviceScope() { simt::end_operator(); }
  DeviceScope(const DeviceScope&) = delete;

  cudaStream_t stream() const { return nullptr; }
};

inline size_t bytes_of(const Tensor& tensor) {
  int64_t last = 0;
  for (int64_t d = 0; d < tensor.dim(); ++d) {
    if (tensor.size(d) == 0) return 0;
    last += (tensor.size(d) - 1) * tensor.stride(d);
  }
  return size_t(last + 1) * tensor.element_size();
}

template <class T> T* data(const Tensor& tensor) {
  void* pointer = tensor.mutable_data_ptr();
  simt::allow_memory(pointer, bytes_of(tensor), true);
  return static_cast<T*>(pointer);
}
template <class T> const T* const_data(const Tensor& tensor) {
  const void* pointer = tensor.const_data_ptr();
  simt::allow_memory(pointer, bytes_of(tensor), false);
  return static_cast<const T*>(pointer);
}

}  // namespace hiergeo::cuda
