// What kernels ask torch: how many threads there are, and products by its own matrix multiplication, for levels whose vectors are
// narrower than those that its library uses.
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <array>
#include <vector>

#include "problem.h"

namespace hiergeo {
namespace {

using torch::stable::Tensor;

template <class T> constexpr auto kType = torch::headeronly::ScalarType::Float;
template <> constexpr auto kType<double> = torch::headeronly::ScalarType::Double;

template <class T> Tensor view(const Strided& m) {
  return torch::stable::from_blob(const_cast<void*>(m.data), {m.rows, m.columns}, {m.row_stride, m.column_stride},
                                  torch::stable::Device(torch::headeronly::DeviceType::CPU), kType<T>);
}

// By mm.out: autocast, which would round the operands, leaves functions with an output alone.
template <class T> void multiply(const Strided& a, const Strided& b, T* c, int64_t c_stride) {
  const Tensor out = view<T>({c, a.rows, b.columns, c_stride, 1});
  using torch::stable::detail::from;
  std::array<StableIValue, 3> stack{from(view<T>(a)), from(view<T>(b)), from(out)};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::mm", "out", stack.data(), TORCH_ABI_VERSION));
  torch::stable::detail::to<Tensor>(stack[0]);
}

template <class T> void product_of(const Strided& a, const Strided& b, T* c, int64_t c_stride, bool add) {
  if (!add) return multiply(a, b, c, c_stride);
  std::vector<T> more(a.rows * b.columns);
  multiply(a, b, more.data(), b.columns);
  for (int64_t i = 0; i < a.rows; ++i)
    for (int64_t j = 0; j < b.columns; ++j) c[i * c_stride + j] += more[i * b.columns + j];
}

}  // namespace

int64_t threads() { return torch::stable::get_num_threads(); }

void torch_product(Dtype dtype, const Strided& a, const Strided& b, void* c, int64_t c_stride, bool add) {
  if (dtype == Dtype::float64)
    product_of(a, b, static_cast<double*>(c), c_stride, add);
  else
    product_of(a, b, static_cast<float*>(c), c_stride, add);
}

}  // namespace hiergeo
