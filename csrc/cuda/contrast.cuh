// Logits of pairs as kernels take them, of all batches, and what the points of one side bring to the weights of their pairs.
#pragma once

#include "../logits.h"
#include "stream.cuh"

namespace hiergeo::cuda {

// Numbers (B,), and labels (B, N) and (B, M), or null where no sums of matching pairs are wanted.
struct LogitNumbers {
  const double *scale, *bias;
  const int64_t *x_label, *y_label;
  bool squared, softplus;

  __device__ Logit<float> at(int64_t batch) const {
    return Logit<float>({scale[batch], bias[batch], squared, softplus, nullptr, nullptr});
  }
};

// The same with the memory that it points to.
struct LogitTensors {
  Tensor scale, bias;
  std::optional<Tensor> x_label, y_label;
  bool squared, softplus;

  LogitNumbers numbers() const {
    auto labels = [](const std::optional<Tensor>& of) { return of ? const_data<int64_t>(*of) : nullptr; };
    return {const_data<double>(scale), const_data<double>(bias), labels(x_label), labels(y_label), squared, softplus};
  }
};

LogitTensors logits_of(const Tensor& scale, const Tensor& bias, const std::optional<Tensor>& labels_x,
                       const std::optional<Tensor>& labels_y, bool squared, bool softplus);

// What the logits of a point were reduced to and what that leaves over in double, the gradient by it, that by the sum of those that
// match, and what matches; 0 where nothing does.
struct Share {
  float reduced, rest, upstream, matched;
  int64_t label;
};

// Those of a side (B, N).
Tensor shares_of(const Launch& launch, const Tensor& reduced, const Tensor& upstream, const Tensor& matched,
                 const std::optional<Tensor>& labels);

}  // namespace hiergeo::cuda
