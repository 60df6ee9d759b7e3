// The contrast of every pair on CPU tensors.
#include <torch/csrc/stable/library.h>

#include <cmath>

#include "entries.h"

namespace hiergeo {
namespace {

// The logits of one batch entry after the other.
struct LogitNumbers {
  Tensor scale, bias;
  std::optional<Tensor> labels_x, labels_y;
  bool squared, softplus;

  LogitNumbers(const operands::LogitOperands& of, bool of_squares, bool of_softplus)
      : scale(torch::stable::contiguous(of.scale)), bias(torch::stable::contiguous(of.bias)), squared(of_squares),
        softplus(of_softplus) {
    if (of.labels_x) labels_x = torch::stable::contiguous(*of.labels_x), labels_y = torch::stable::contiguous(*of.labels_y);
  }
  Logits at(int64_t b) const {
    auto labels = [b](const std::optional<Tensor>& of) { return of ? data_of<int64_t>(*of) + b * of->size(1) : nullptr; };
    return {data_of<double>(scale)[b], data_of<double>(bias)[b], squared, softplus, labels(labels_x), labels(labels_y)};
  }
};

Contrast contrast_at(const Numbers of[4], int64_t b) {
  auto row = [b](const Numbers& each) { return const_cast<double*>(each.row(b)); };
  return {row(of[0]), row(of[1]), row(of[2]), row(of[3])};
}

std::tuple<Tensor, Tensor, Tensor, Tensor> contrast(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                                    std::vector<Tensor> ry, std::vector<double> curvature,
                                                    std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity,
                                                    Tensor scale, Tensor bias, std::optional<Tensor> labels_x,
                                                    std::optional<Tensor> labels_y, bool squared, bool softplus,
                                                    int64_t product) {
  const operands::LogitOperands of = {scale, bias, labels_x, labels_y};
  check_contrast({ux, rx, uy, ry, curvature, aperture, exact, quantity}, of, product);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product);
  const LogitNumbers logits(of, squared, softplus);
  auto sums = [&](const Tensor& side) {
    return torch::stable::new_zeros(side, {side.size(0), side.size(1)}, ScalarType::Double);
  };
  const Tensor rows = sums(ux[0]), columns = sums(uy[0]), matched_rows = sums(ux[0]), matched_columns = sums(uy[0]);
  const bool paired = rows.size(1) && columns.size(1);
  for (const Tensor* to : {&rows, &columns})
    if (!paired && !softplus) torch::stable::fill_(*to, -INFINITY);
  const Numbers to[] = {Numbers(rows), Numbers(columns), Numbers(matched_rows), Numbers(matched_columns)};
  all.each([&](int64_t b, const Factors& factors) {
    if (paired) level().contrast(factors, Quantity(quantity), logits.at(b), contrast_at(to, b), in_parallel);
  });
  return {rows, columns, matched_rows, matched_columns};
}

Seven contrast_backward(Tensor rows, Tensor columns, std::vector<Tensor> upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry,
                        double curvature, std::vector<Tensor> exact, Tensor scale, Tensor bias, std::optional<Tensor> labels_x,
                        std::optional<Tensor> labels_y, bool squared, bool softplus, int64_t product) {
  const operands::LogitOperands of = {scale, bias, labels_x, labels_y};
  check_contrast_backward(rows, columns, upstream, ux, rx, uy, ry, curvature, exact, of, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(kNone), curvature, exact, product_of(product)};
  const LogitNumbers logits(of, squared, softplus);
  const Numbers found[] = {Numbers(rows), Numbers(columns), Numbers(kNone), Numbers(kNone)};
  const Numbers from[] = {Numbers(upstream[0]), Numbers(upstream[1]), Numbers(upstream[2]), Numbers(upstream[3])};
  const GradientTensors to(ux, uy);
  const Tensor by_scale = torch::stable::new_zeros(ux, {all.batches()}, ScalarType::Double);
  const Tensor by_bias = torch::stable::new_zeros(ux, {all.batches()}, ScalarType::Double);
  all.each([&](int64_t b) {
    level().contrast_gradients(all.at(b), logits.at(b), contrast_at(found, b), contrast_at(from, b), to.at(b),
                               data_of<double>(by_scale) + b, data_of<double>(by_bias) + b, in_parallel);
  });
  return {to.ux, to.rx, to.uy, to.ry, to.curvature, by_scale, by_bias};
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CPU, m) {
  m.impl("contrast", TORCH_BOX(&contrast));
  m.impl("contrast_backward", TORCH_BOX(&contrast_backward));
}

}  // namespace hiergeo
