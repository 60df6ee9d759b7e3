// The operators on CUDA tensors. Their schemas, and what every argument means, are in library.cpp.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <tuple>

namespace hiergeo::cuda {

using torch::stable::Tensor;

void store(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, int64_t quantity,
           std::optional<Tensor> aperture, Tensor out);

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy,
                                                                    Tensor ry, double curvature, int64_t quantity,
                                                                    std::optional<Tensor> aperture);

Tensor count(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture);

// Waits for the device once: the number of members decides the size of the result.
std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture);

std::tuple<Tensor, Tensor> smallest(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature,
                                    std::optional<Tensor> offset, int64_t k, bool swap);

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture);
std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture);

Tensor ladder(Tensor queries, Tensor candidates, Tensor order, Tensor ends);

}  // namespace hiergeo::cuda
