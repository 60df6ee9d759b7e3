#include "rows.cuh"

#include "copy.cuh"

namespace hiergeo::cuda {
namespace {

constexpr int kWarps = kThreads / 32;

struct Matrices {
  int64_t batch_stride, row_stride, width;
};

// One warp a row; Word has the size of an element.
template <class Word>
__global__ void __launch_bounds__(kThreads) copy_rows(const Word* from, Matrices matrices, const int64_t* order,
                                                      int64_t batches, int64_t count, int64_t width, Word* to) {
  int64_t total = batches * count;
  for (int64_t i = blockIdx.x * int64_t(kWarps) + threadIdx.x / 32; i < total; i += gridDim.x * int64_t(kWarps)) {
    int64_t row = order == nullptr ? i % count : order[i % count];
    const Word* source = from + i / count * matrices.batch_stride + row * matrices.row_stride;
    for (int64_t d = threadIdx.x % 32; d < width; d += 32) to[i * width + d] = d < matrices.width ? source[d] : Word(0);
  }
}

}  // namespace

Tensor copy_of_rows(const Launch& launch, const Tensor& matrices, const int64_t* order, int64_t count, int64_t width) {
  int64_t batches = matrices.size(0);
  Tensor rows = empty(matrices, {batches, count, width}, matrices.scalar_type());
  Matrices shape = {matrices.stride(0), matrices.stride(1), matrices.size(2)};
  auto copy = [&](auto word) {
    using Word = decltype(word);
    launch.run(copy_rows<Word>, ceil_div(batches * count, kWarps), kThreads, 0, const_data<Word>(matrices), shape, order,
               batches, count, width, data<Word>(rows));
  };
  switch (matrices.element_size()) {
    case 2: copy(uint16_t()); break;
    case 4: copy(uint32_t()); break;
    default: copy(uint64_t());
  }
  return rows;
}

}  // namespace hiergeo::cuda
