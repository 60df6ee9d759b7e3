#include "rows.cuh"

#include <type_traits>

#include "copy.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

struct Matrices {
  int64_t batch_stride, row_stride, width;
};

// One warp a row; what is not widened is copied as words of the size of an element.
template <class From, class To>
__global__ void __launch_bounds__(kThreads)
    copy_rows(const From* from, Matrices matrices, Choice choice, int64_t batches, int64_t width, To* to) {
  int64_t total = batches * choice.count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    int64_t batch = i / choice.count, row = choice.place(batch, i % choice.count);
    const From* source = from + batch * matrices.batch_stride + row * matrices.row_stride;
    for (int64_t d = threadIdx.x % 32; d < width; d += 32) {
      To number = To(0);
      if (d < matrices.width) {
        if constexpr (std::is_same_v<From, To>) number = source[d];
        if constexpr (!std::is_same_v<From, To>) number = widened(source[d]);
      }
      to[i * width + d] = number;
    }
  }
}

}  // namespace

Tensor copy_of_rows(const Launch& launch, const Tensor& matrices, const Choice& choice, int64_t width, ScalarType dtype) {
  int64_t batches = matrices.size(0);
  Tensor rows = empty(matrices, {batches, choice.count, width}, dtype);
  Matrices shape = {matrices.stride(0), matrices.stride(1), matrices.size(2)};
  auto copy = [&](auto from, auto to) {
    using From = decltype(from);
    using To = decltype(to);
    launch.run(copy_rows<From, To>, ceil_div(batches * choice.count, kWarps), kThreads, 0, const_data<From>(matrices),
               shape, choice, batches, width, data<To>(rows));
  };
  bool widen = dtype != matrices.scalar_type();
  STD_TORCH_CHECK(!widen || (dtype == ScalarType::Float && matrices.element_size() == 2), "only 16-bit rows are widened");
  switch (matrices.scalar_type()) {
    case ScalarType::Double: copy(uint64_t(), uint64_t()); break;
    case ScalarType::Float: copy(uint32_t(), uint32_t()); break;
    case ScalarType::BFloat16: widen ? copy(__nv_bfloat16(), float()) : copy(uint16_t(), uint16_t()); break;
    default: widen ? copy(__half(), float()) : copy(uint16_t(), uint16_t());
  }
  return rows;
}

}  // namespace hiergeo::cuda
