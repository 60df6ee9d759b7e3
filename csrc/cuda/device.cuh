// What ties the operators to CUDA devices: the dispatch key, sizes, the device and stream of the caller, and the memory of
// tensors.
#pragma once

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#define HIERGEO_DISPATCH_KEY CUDA

namespace hiergeo::cuda {

using torch::stable::Tensor;

// How problems are cut: scratch for a chunk of pairs, and blocks that fill a GPU.
constexpr int64_t kChunkBytes = int64_t(32) << 20;
constexpr int64_t kWidestChunk = int64_t(1) << 14;  // columns
constexpr int64_t kFillingBlocks = 2048;

// Whether pairs near a common line are measured on their rows. Tests turn it off to see the products alone.
inline bool repairs_near_pairs() { return true; }

inline void check(cudaError_t status) {
  STD_TORCH_CHECK(status == cudaSuccess, "CUDA: ", cudaGetErrorString(status));
}

// The address is looked up when it is first needed, so that this library also loads beside a torch without CUDA.
inline cudaStream_t current_stream(int32_t device) {
  using Lookup = int32_t (*)(int32_t, void**);
  constexpr const char* name = "aoti_torch_get_current_cuda_stream";
  static const Lookup lookup = [] {
    void* symbol = dlsym(RTLD_DEFAULT, name);
    void* library = symbol ? nullptr : dlopen("libtorch_cuda.so", RTLD_LAZY | RTLD_NOLOAD);
    return reinterpret_cast<Lookup>(library ? dlsym(library, name) : symbol);
  }();
  STD_TORCH_CHECK(lookup, "this torch has no CUDA streams");
  void* stream = nullptr;
  STD_TORCH_CHECK(lookup(device, &stream) == 0, "torch does not tell the current CUDA stream");
  return static_cast<cudaStream_t>(stream);
}

// While one lives, kernels and allocations go to the device and the current stream of `tensor`. The runtime is linked
// statically and keeps its own current device, hence both settings.
class DeviceScope {
 public:
  explicit DeviceScope(const Tensor& tensor) : guard_(tensor.get_device_index()) {
    check(cudaSetDevice(tensor.get_device_index()));
    stream_ = current_stream(tensor.get_device_index());
  }

  cudaStream_t stream() const { return stream_; }

 private:
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_ = nullptr;
};

// The first element of a tensor, for kernels to write or only to read. Kernels get at tensors in no other way.
template <class T> T* data(const Tensor& tensor) { return static_cast<T*>(tensor.mutable_data_ptr()); }
template <class T> const T* const_data(const Tensor& tensor) { return static_cast<const T*>(tensor.const_data_ptr()); }

}  // namespace hiergeo::cuda
