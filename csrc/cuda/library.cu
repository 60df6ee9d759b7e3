// The operators on CUDA tensors, under the schemas of library.cpp.
#include <torch/csrc/stable/library.h>

#include <cuda/device.cuh>

#include "ops.cuh"

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) {
  m.impl("store", TORCH_BOX(&hiergeo::cuda::store));
  m.impl("backward", TORCH_BOX(&hiergeo::cuda::backward));
  m.impl("count", TORCH_BOX(&hiergeo::cuda::count));
  m.impl("members", TORCH_BOX(&hiergeo::cuda::members));
  m.impl("smallest", TORCH_BOX(&hiergeo::cuda::smallest));
  m.impl("rank", TORCH_BOX(&hiergeo::cuda::rank));
  m.impl("energy_sum", TORCH_BOX(&hiergeo::cuda::energy_sum));
  m.impl("energy_total", TORCH_BOX(&hiergeo::cuda::energy_total));
  m.impl("energy_min", TORCH_BOX(&hiergeo::cuda::energy_min));
  m.impl("contrast", TORCH_BOX(&hiergeo::cuda::contrast));
  m.impl("contrast_backward", TORCH_BOX(&hiergeo::cuda::contrast_backward));
  m.impl("nearest_ladder", TORCH_BOX(&hiergeo::cuda::nearest_ladder));
  m.impl("ladder", TORCH_BOX(&hiergeo::cuda::ladder));
}
