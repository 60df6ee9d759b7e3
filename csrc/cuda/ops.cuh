// The operators on CUDA tensors. Their schemas, and what every argument means, are in library.cpp. Searches never multiply in
// TF32: their results are exact.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <tuple>

namespace hiergeo::cuda {

using torch::stable::Tensor;

void store(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, int64_t quantity,
           std::optional<Tensor> aperture, int64_t product, Tensor out);

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy,
                                                                    Tensor ry, double curvature, int64_t quantity,
                                                                    std::optional<Tensor> aperture, int64_t product);

Tensor count(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, int64_t product);

// Waits for the device once: the number of members decides the size of the result.
std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, int64_t product);

std::tuple<Tensor, Tensor> smallest(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature,
                                    std::optional<Tensor> offset, int64_t k, bool swap, int64_t product);

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, int64_t product);
std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, int64_t product);

Tensor ladder(Tensor queries, Tensor candidates, Tensor order, Tensor ends, int64_t product);

}  // namespace hiergeo::cuda
