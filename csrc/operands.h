// What the operators take. Every operand is checked here, once, before any work and before the first call of torch, for the
// entries on every device: a wrong one raises a sentence that names it. Shapes: B problems of N points x with M points y in
// D dimensions.
#pragma once

#include <torch/csrc/stable/tensor.h>
#include <torch/headeronly/util/Exception.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <optional>
#include <string>
#include <vector>

#include "cpu/problem.h"

namespace hiergeo {

using torch::headeronly::ScalarType;
using torch::stable::Tensor;

constexpr int64_t kMostNeighbours = 1024;

// Points whose numbers, in double and padded, could not be addressed are refused before a product of sizes overflows.
constexpr double kMostNumbers = 0x1p58;
constexpr double kPadding = 256;

inline std::optional<Dtype> float_type(ScalarType type) {
  switch (type) {
    case ScalarType::Float: return Dtype::float32;
    case ScalarType::Double: return Dtype::float64;
    case ScalarType::BFloat16: return Dtype::bfloat16;
    case ScalarType::Half: return Dtype::float16;
    default: return std::nullopt;
  }
}

// Of a tensor that was checked.
inline Dtype dtype_of(const Tensor& tensor) { return *float_type(tensor.scalar_type()); }

// float64 directions are computed with in float64, all others in float32.
inline ScalarType compute_type(const Tensor& direction) {
  return direction.scalar_type() == ScalarType::Double ? ScalarType::Double : ScalarType::Float;
}

namespace operands {

using Sizes = std::initializer_list<int64_t>;

template <class List> std::string listed(const List& numbers) {
  std::string text = "(";
  for (int64_t number : numbers) text += (text.size() > 1 ? ", " : "") + std::to_string(number);
  return text + ")";
}

inline void check_dims(const char* name, const Tensor& tensor, int64_t dims) {
  STD_TORCH_CHECK(tensor.dim() == dims, name, " must have ", dims, " dimensions, not the shape ", listed(tensor.sizes()), ".");
}

inline void check_sizes(const char* name, const Tensor& tensor, Sizes wanted) {
  const auto sizes = tensor.sizes();
  STD_TORCH_CHECK(std::equal(wanted.begin(), wanted.end(), sizes.begin(), sizes.end()), name, " must have the shape ",
                  listed(wanted), ", not ", listed(sizes), ".");
}

inline void check_type(const char* name, const Tensor& tensor, ScalarType wanted) {
  const ScalarType type = tensor.scalar_type();
  STD_TORCH_CHECK(type == wanted, name, " must be a ", torch::headeronly::toString(wanted), " tensor, not ",
                  torch::headeronly::toString(type), ".");
}

inline void check_float(const char* name, const Tensor& tensor) {
  const ScalarType type = tensor.scalar_type();
  STD_TORCH_CHECK(float_type(type), name, " must be a Double, Float, BFloat16 or Half tensor, not ",
                  torch::headeronly::toString(type), ".");
}

inline void check_device(const char* name, const Tensor& tensor, const Tensor& first) {
  STD_TORCH_CHECK(tensor.device() == first.device(), name, " must be on the device of the first operand.");
}

// A tensor of that dtype and shape on the device of `first`, of any strides.
inline void check(const char* name, const Tensor& tensor, ScalarType type, Sizes sizes, const Tensor& first) {
  check_type(name, tensor, type);
  check_sizes(name, tensor, sizes);
  check_device(name, tensor, first);
}

// The numbers of a row, along the last dimension, are adjacent.
inline void check_rows(const char* name, const Tensor& tensor) {
  const int64_t last = tensor.dim() - 1;
  STD_TORCH_CHECK(tensor.size(last) < 2 || tensor.stride(last) == 1, name, " must have contiguous rows, not the strides ",
                  listed(tensor.strides()), ".");
}

inline void check_extent(const char* name, const Tensor& direction) {
  const int64_t last = direction.dim() - 1;
  double numbers = double(direction.size(last)) + kPadding;
  for (int64_t dim = 0; dim < last; ++dim) numbers *= double(direction.size(dim));
  STD_TORCH_CHECK(numbers < kMostNumbers, name, " of the shape ", listed(direction.sizes()), " is too large.");
}

// Directions (B, N, D).
inline void check_directions(const char* name, const Tensor& direction, int64_t dims) {
  check_float(name, direction);
  check_dims(name, direction, dims);
  check_rows(name, direction);
  check_extent(name, direction);
}

inline void check_same_rays(const char* name, const Tensor& direction, const char* first_name, const Tensor& first) {
  check_device(name, direction, first);
  STD_TORCH_CHECK(compute_type(direction) == compute_type(first), name, " must be float64 where ", first_name, " is.");
  const int64_t last = first.dim() - 1;
  STD_TORCH_CHECK(direction.size(last) == first.size(last), name, " must have the dimension of ", first_name, ", ",
                  first.size(last), ", not ", direction.size(last), ".");
}

// One number a point, for directions that were checked.
inline void check_numbers(const char* name, const Tensor& numbers, const Tensor& direction) {
  check(name, numbers, ScalarType::Double, {direction.size(0), direction.size(1)}, direction);
}

inline void check_curvature(double curvature) {
  STD_TORCH_CHECK(std::isfinite(curvature), "curvature must be finite, not ", curvature, ".");
}

inline void check_points(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature) {
  check_directions("ux", ux, 3);
  check_directions("uy", uy, 3);
  check_same_rays("uy", uy, "ux", ux);
  STD_TORCH_CHECK(uy.size(0) == ux.size(0), "uy must hold as many problems as ux, ", ux.size(0), ", not ", uy.size(0), ".");
  check_numbers("rx", rx, ux);
  check_numbers("ry", ry, uy);
  check_curvature(curvature);
}

// Of factor `f` of `count`, for directions that were checked.
inline void check_exact(const std::vector<Tensor>& exact, size_t f, size_t count, const Tensor& ux, const Tensor& uy) {
  if (exact.empty()) return;
  STD_TORCH_CHECK(exact.size() == 3 * count, "exact must hold the vectors of x, those of y and an origin for each of the ",
                  count, " factors, or nothing.");
  STD_TORCH_CHECK(compute_type(ux) == ScalarType::Float, "exact must be empty for float64 directions.");
  for (size_t side = 0; side < 2; ++side) {
    const Tensor &vectors = exact[side * count + f], &directions = side ? uy : ux;
    const char* name = side ? "the exact vectors of y" : "the exact vectors of x";
    check_directions(name, vectors, 3);
    STD_TORCH_CHECK(compute_type(vectors) == ScalarType::Float, name, " must not be float64.");
    check_sizes(name, vectors, {directions.size(0), directions.size(1), directions.size(2)});
    check_device(name, vectors, directions);
  }
  const Tensor& origin = exact[2 * count + f];
  check("the exact origin", origin, ScalarType::Double, {ux.size(2)}, ux);
  check_rows("the exact origin", origin);
}

inline void check_code(int64_t quantity) {
  STD_TORCH_CHECK(0 <= quantity && quantity <= int64_t(Quantity::distance_l1), "quantity must be 0 to 4, not ", quantity, ".");
}

inline void check_quantity(int64_t quantity, const std::optional<Tensor>& aperture, const Tensor& ux) {
  check_code(quantity);
  STD_TORCH_CHECK(aperture || !is_conic(Quantity(quantity)), "aperture must be given for a quantity of a cone.");
  if (aperture) check_numbers("aperture", *aperture, ux);
}

inline void check_product(int64_t product) {
  STD_TORCH_CHECK(0 <= product && product <= int64_t(Product::tf32), "product must be 0 to 2, not ", product, ".");
}

// A matrix that is written: rows are contiguous and lie apart, in any order of problems and rows.
inline void check_written(const char* name, const Tensor& out) {
  const int64_t batches = out.size(0), rows = out.size(1), columns = out.size(2);
  if (batches == 0 || rows == 0 || columns == 0) return;
  check_rows(name, out);
  struct Loop {
    int64_t size, stride;
  } inner = {rows, out.stride(1)}, outer = {batches, out.stride(0)};
  if (outer.size > 1 && outer.stride < inner.stride) std::swap(inner, outer);
  const bool apart = (inner.size == 1 || inner.stride >= columns) &&
                     (outer.size == 1 || outer.stride >= (inner.size > 1 ? (inner.size - 1) * inner.stride : 0) + columns);
  STD_TORCH_CHECK(apart, name, " must have rows that do not overlap, not the strides ", listed(out.strides()), ".");
}

// How logits are made of the distances of B problems of N points x with M points y, and what of them matches.
struct LogitOperands {
  const Tensor &scale, &bias;
  const std::optional<Tensor>&labels_x, &labels_y;
};

inline void check_logits(const LogitOperands& of, const Tensor& ux, const Tensor& uy) {
  const int64_t batches = ux.size(0);
  check("scale", of.scale, ScalarType::Double, {batches}, ux);
  check("bias", of.bias, ScalarType::Double, {batches}, ux);
  STD_TORCH_CHECK(of.labels_x.has_value() == of.labels_y.has_value(), "labels_x and labels_y must be given together.");
  if (!of.labels_x) return;
  check("labels_x", *of.labels_x, ScalarType::Long, {batches, ux.size(1)}, ux);
  check("labels_y", *of.labels_y, ScalarType::Long, {batches, uy.size(1)}, ux);
}

// Candidates that are there, and ends that ascend within the order. On the host alone: kernels elsewhere leave out whatever is
// beyond, so that nobody waits for a device.
inline void check_prefixes(const int64_t* order, int64_t length, const int64_t* ends, int64_t thresholds, int64_t candidates) {
  for (int64_t i = 0; i < length; ++i)
    STD_TORCH_CHECK(0 <= order[i] && order[i] < candidates, "order must hold indices of the ", candidates, " candidates, not ",
                    order[i], ".");
  for (int64_t t = 0; t < thresholds; ++t)
    STD_TORCH_CHECK((t ? ends[t - 1] : 0) <= ends[t] && ends[t] <= length, "ends must ascend from 0 to at most ", length,
                    ", the length of order, not to ", ends[t], ".");
}

// The factors of a space, one entry of every list each: all of one compute type and of the same B, N and M. The half apertures
// are of the apexes, which are y with `swap`.
struct FactorLists {
  const std::vector<Tensor> &ux, &rx, &uy, &ry;
  const std::vector<double>& curvature;
  const std::vector<Tensor>& aperture;
  const std::vector<Tensor>& exact;
  int64_t quantity;
  bool swap = false;
};

inline void check_factor(const FactorLists& of, size_t f) {
  const Tensor &first = of.ux[0], &ux = of.ux[f], &uy = of.uy[f];
  check_directions("ux", ux, 3);
  check_directions("uy", uy, 3);
  for (const Tensor* u : {&ux, &uy}) {
    const char* name = u == &ux ? "ux" : "uy";
    check_device(name, *u, first);
    STD_TORCH_CHECK(compute_type(*u) == compute_type(first), name, " must be float64 where other directions are.");
    STD_TORCH_CHECK(u->size(2) == ux.size(2), "uy must have the dimension of ux, ", ux.size(2), ", not ", u->size(2), ".");
    STD_TORCH_CHECK(u->size(0) == first.size(0), name, " must hold ", first.size(0), " problems, not ", u->size(0), ".");
  }
  STD_TORCH_CHECK(ux.size(1) == first.size(1), "ux must hold ", first.size(1), " points, not ", ux.size(1), ".");
  STD_TORCH_CHECK(uy.size(1) == of.uy[0].size(1), "uy must hold ", of.uy[0].size(1), " points, not ", uy.size(1), ".");
  check_numbers("rx", of.rx[f], ux);
  check_numbers("ry", of.ry[f], uy);
  check_curvature(of.curvature[f]);
  if (!of.aperture.empty()) check_numbers("aperture", of.aperture[f], of.swap ? uy : ux);
  check_exact(of.exact, f, of.ux.size(), ux, uy);
}

inline void check_factors(const FactorLists& of) {
  const size_t count = of.ux.size();
  STD_TORCH_CHECK(count > 0, "ux must hold at least one factor.");
  STD_TORCH_CHECK(of.rx.size() == count && of.uy.size() == count && of.ry.size() == count && of.curvature.size() == count,
                  "rx, uy, ry and curvature must hold one entry for each of the ", count, " factors.");
  check_code(of.quantity);
  const Quantity quantity = Quantity(of.quantity);
  STD_TORCH_CHECK(count == 1 || is_distance(quantity) || quantity == Quantity::cone_margin,
                  "quantity must be a distance or the margin for more than one factor.");
  STD_TORCH_CHECK(of.aperture.size() == (is_conic(quantity) ? count : 0), "aperture must hold one entry a factor for a quantity",
                  " of a cone, and none otherwise.");
  for (size_t f = 0; f < count; ++f) check_factor(of, f);
}

// What is ordered by: an angle, a distance or the margin.
inline void check_ordered(const FactorLists& of) {
  check_factors(of);
  STD_TORCH_CHECK(Quantity(of.quantity) != Quantity::energy, "quantity must not be the energy: many pairs tie at 0.");
}

inline void check_steps(const Tensor& order, const Tensor& ends, const Tensor& first) {
  check_dims("order", order, 1);
  check_dims("ends", ends, 1);
  check("order", order, ScalarType::Long, {order.size(0)}, first);
  check("ends", ends, ScalarType::Long, {ends.size(0)}, first);
}

// Rows of a ranking's items; see the operator `weigh`.
inline void check_items(const int32_t* items, int64_t count, int64_t positives, int64_t negatives) {
  for (int64_t at = 0; at < count; ++at) {
    const int64_t rows = items[at] & 2 ? positives : negatives;
    STD_TORCH_CHECK(0 <= items[at] && items[at] >> 2 < rows, "items must name one of the ", rows, " rows of their side, not ", items[at] >> 2, ".");
  }
}

// On the host alone, as `check_prefixes`.
inline void check_targets(const int64_t* target, int64_t count, int64_t candidates) {
  for (int64_t i = 0; i < count; ++i)
    STD_TORCH_CHECK(0 <= target[i] && target[i] < candidates, "target must hold indices of the ", candidates,
                    " points y, not ", target[i], ".");
}

}  // namespace operands

// One function for every list of operands in library.cpp.

inline void check_store(const operands::FactorLists& of, int64_t product, const Tensor& out) {
  operands::check_factors(of);
  operands::check_product(product);
  operands::check_float("out", out);
  operands::check_sizes("out", out, {of.ux[0].size(0), of.ux[0].size(1), of.uy[0].size(1)});
  operands::check_device("out", out, of.ux[0]);
  operands::check_written("out", out);
}

inline void check_backward(const Tensor& upstream, const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry,
                           double curvature, int64_t quantity, const std::optional<Tensor>& aperture,
                           const std::vector<Tensor>& exact, int64_t product) {
  operands::check_points(ux, rx, uy, ry, curvature);
  operands::check_quantity(quantity, aperture, ux);
  operands::check_exact(exact, 0, 1, ux, uy);
  operands::check_product(product);
  operands::check("upstream", upstream, compute_type(ux), {ux.size(0), ux.size(1), uy.size(1)}, ux);
}

inline void check_cones(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                        const Tensor& aperture, const std::vector<Tensor>& exact, int64_t product) {
  operands::check_points(ux, rx, uy, ry, curvature);
  operands::check_numbers("aperture", aperture, ux);
  operands::check_exact(exact, 0, 1, ux, uy);
  operands::check_product(product);
}

inline void check_total(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                        const Tensor& aperture, const std::vector<Tensor>& exact, const std::optional<double>& margin,
                        int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  STD_TORCH_CHECK(!margin || (std::isfinite(*margin) && *margin > 0), "margin must be a number > 0, not ", *margin, ".");
}

inline void check_members(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                          const Tensor& aperture, const std::vector<Tensor>& exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  STD_TORCH_CHECK(ux.size(0) == 1, "ux must hold one problem, not ", ux.size(0), ".");
}

inline void check_count(const operands::FactorLists& of, const std::optional<Tensor>& reach, int64_t product) {
  operands::check_factors(of);
  const Quantity quantity = Quantity(of.quantity);
  STD_TORCH_CHECK(reach ? is_distance(quantity) : quantity == Quantity::cone_margin,
                  "quantity must be a distance where reach is given, and the margin otherwise.");
  if (reach) operands::check_numbers("reach", *reach, of.ux[0]);
  operands::check_product(product);
}

inline void check_contrast(const operands::FactorLists& of, const operands::LogitOperands& logits, int64_t product) {
  operands::check_factors(of);
  STD_TORCH_CHECK(is_distance(Quantity(of.quantity)), "quantity must be a distance.");
  operands::check_logits(logits, of.ux[0], of.uy[0]);
  operands::check_product(product);
}

inline void check_contrast_backward(const Tensor& rows, const Tensor& columns, const std::vector<Tensor>& upstream,
                                    const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                                    const std::vector<Tensor>& exact, const operands::LogitOperands& logits, int64_t product) {
  operands::check_points(ux, rx, uy, ry, curvature);
  operands::check_exact(exact, 0, 1, ux, uy);
  operands::check_logits(logits, ux, uy);
  operands::check_numbers("rows", rows, ux);
  operands::check_numbers("columns", columns, uy);
  STD_TORCH_CHECK(upstream.size() == 4, "upstream must hold 4 tensors, not ", upstream.size(), ".");
  for (size_t side = 0; side < upstream.size(); ++side) operands::check_numbers("upstream", upstream[side], side % 2 ? uy : ux);
  operands::check_product(product);
}

inline void check_smallest(const operands::FactorLists& of, int64_t k, int64_t product) {
  operands::check_ordered(of);
  STD_TORCH_CHECK(0 < k && k <= kMostNeighbours, "k must be between 1 and ", kMostNeighbours, ", not ", k, ".");
  operands::check_product(product);
}

inline void check_rank(const operands::FactorLists& of, const Tensor& target, int64_t product) {
  operands::check_ordered(of);
  operands::check("target", target, ScalarType::Long, {of.ux[0].size(0), of.ux[0].size(1)}, of.ux[0]);
  operands::check_product(product);
}

inline void check_nearest_ladder(const operands::FactorLists& of, const Tensor& order, const Tensor& ends, int64_t product) {
  operands::check_factors(of);
  STD_TORCH_CHECK(is_distance(Quantity(of.quantity)), "quantity must be a distance.");
  STD_TORCH_CHECK(of.ux[0].size(0) == 1, "ux must hold one problem, not ", of.ux[0].size(0), ".");
  operands::check_steps(order, ends, of.ux[0]);
  operands::check_product(product);
}

inline void check_weighings(const Tensor& items, const Tensor& positive, const Tensor& negative) {
  operands::check_dims("items", items, 1);
  operands::check_type("items", items, ScalarType::Int);
  operands::check_dims("positive", positive, 2);
  operands::check_type("positive", positive, ScalarType::Double);
  operands::check_dims("negative", negative, 2);
  operands::check("negative", negative, ScalarType::Double, {positive.size(0), negative.size(1)}, positive);
}

inline void check_ladder(const Tensor& queries, const Tensor& candidates, const std::optional<Tensor>& norms,
                         const Tensor& order, const Tensor& ends, int64_t product) {
  operands::check_directions("queries", queries, 2);
  operands::check_directions("candidates", candidates, 2);
  operands::check_same_rays("candidates", candidates, "queries", queries);
  if (norms) operands::check("norms", *norms, ScalarType::Double, {candidates.size(0)}, queries);
  operands::check_steps(order, ends, queries);
  operands::check_product(product);
}

}  // namespace hiergeo
