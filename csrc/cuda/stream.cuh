// The host side of every launch: the device and stream of the caller, checks, and tensors as scratch memory.
#pragma once

#include <cuda_runtime.h>
#include <dlfcn.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <initializer_list>

namespace hiergeo::cuda {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

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
class Launch {
 public:
  explicit Launch(const Tensor& tensor) : guard_(tensor.get_device_index()) {
    check(cudaSetDevice(tensor.get_device_index()));
    stream_ = current_stream(tensor.get_device_index());
  }

  cudaStream_t stream() const { return stream_; }

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
    kernel<<<unsigned(blocks < most ? blocks : most), threads, shared, stream_>>>(arguments...);
    check(cudaGetLastError());
  }

 private:
  torch::stable::accelerator::DeviceGuard guard_;
  cudaStream_t stream_ = nullptr;
};

inline Tensor empty(const Tensor& like, std::initializer_list<int64_t> size, ScalarType dtype) {
  return torch::stable::new_empty(like, {size.begin(), size.size()}, dtype);
}

inline Tensor zeros(const Tensor& like, std::initializer_list<int64_t> size, ScalarType dtype) {
  return torch::stable::new_zeros(like, {size.begin(), size.size()}, dtype);
}

// Memory for `count` values of T that lives as long as the tensor.
template <class T> Tensor scratch(const Tensor& like, int64_t count) {
  return empty(like, {count * int64_t(sizeof(T))}, ScalarType::Byte);
}

template <class T> T* data(const Tensor& tensor) { return static_cast<T*>(tensor.mutable_data_ptr()); }

constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace hiergeo::cuda
