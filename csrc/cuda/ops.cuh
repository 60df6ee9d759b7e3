// The operators on CUDA tensors. Their schemas, and what every argument means, are in library.cpp. Searches never multiply in
// TF32: their results are exact.
#pragma once

#include <torch/csrc/stable/tensor.h>

#include <optional>
#include <tuple>
#include <vector>

#include "../cpu/problem.h"

namespace hiergeo::cuda {

using torch::stable::Tensor;

void store(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
           std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, int64_t product, Tensor out);

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy,
                                                                    Tensor ry, double curvature, int64_t quantity,
                                                                    std::optional<Tensor> aperture, std::vector<Tensor> exact, int64_t product);

Tensor count(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
             std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, std::optional<Tensor> reach,
             int64_t product);

// Of cones in one space, of points of one dtype, inside the tiles; `count` calls it.
Tensor count_cones(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                   const Tensor& aperture, const std::vector<Tensor>& exact, int64_t product);

// Waits for the device once: the number of members decides the size of the result.
std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product);

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    std::vector<Tensor> exact, int64_t quantity, int64_t k, bool swap, int64_t product);

Tensor rank(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
            std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor target, bool swap,
            int64_t product);

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> energy_total(Tensor ux, Tensor rx, Tensor uy, Tensor ry,
                                                                                double curvature, Tensor aperture,
                                                                                std::vector<Tensor> exact, std::optional<double> margin,
                                                                                bool gradients, int64_t product);

// The sum of a loss over all pairs, (B,), without gradients; `energy_total` calls it.
Tensor loss_total(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                  const Tensor& aperture, const std::vector<Tensor>& exact, LossKind kind, Product product);

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product);
std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product);

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                                    std::vector<Tensor> ry, std::vector<double> curvature,
                                                    std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity,
                                                    Tensor scale, Tensor bias, std::optional<Tensor> labels_x,
                                                    std::optional<Tensor> labels_y, bool squared, bool softplus,
                                                    int64_t product);
std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> contrast_backward(
    Tensor rows, Tensor columns, std::vector<Tensor> upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature,
    std::vector<Tensor> exact, Tensor scale, Tensor bias, std::optional<Tensor> labels_x, std::optional<Tensor> labels_y,
    bool squared, bool softplus, int64_t product);

std::tuple<Tensor, Tensor> nearest_ladder(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                          std::vector<Tensor> ry, std::vector<double> curvature,
                                          std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor order, Tensor ends,
                                          int64_t product);
std::tuple<Tensor, Tensor> ladder(Tensor queries, Tensor candidates, std::optional<Tensor> norms, Tensor order, Tensor ends,
                                  int64_t product);

}  // namespace hiergeo::cuda
