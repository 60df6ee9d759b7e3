// Statistics of rankings on CPU tensors.
#include <torch/csrc/stable/library.h>

#include "entries.h"

namespace hiergeo {
namespace {

Tensor weigh(Tensor items, Tensor positive, Tensor negative, bool precision, double chance) {
  check_weighings(items, positive, negative);
  const Tensor own = torch::stable::contiguous(positive), other = torch::stable::contiguous(negative), listed = torch::stable::contiguous(items);
  const int64_t samples = own.size(0);
  operands::check_items(data_of<int32_t>(listed), listed.size(0), own.size(1), other.size(1));
  const Tensor values = torch::stable::new_empty(own, {samples}, ScalarType::Double);
  level().weigh({data_of<int32_t>(listed), listed.size(0), data_of<double>(own), data_of<double>(other), own.size(1), other.size(1), samples,
                 chance, data_of<double>(values)},
                precision, in_parallel);
  return values;
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CPU, m) { m.impl("weigh", TORCH_BOX(&weigh)); }

}  // namespace hiergeo
