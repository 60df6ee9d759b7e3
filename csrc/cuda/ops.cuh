// What every operator includes. Each is registered where it stands, under its schema of library.cpp, which says what every
// argument means. Searches never multiply in TF32: their results are exact.
#pragma once

#include <torch/csrc/stable/library.h>

#include <optional>
#include <tuple>
#include <vector>

#include "prepare.cuh"

namespace hiergeo::cuda {

// How many y lie in the cone of each x, (B, N); of points of one dtype.
Tensor count_cones(const SpaceOperands& of);

// The sum of a loss over all pairs, (B,), without gradients.
Tensor loss_total(const Launch& launch, const SpaceOperands& of, LossKind kind);

}  // namespace hiergeo::cuda
