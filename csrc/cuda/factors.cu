#include "factors.cuh"

#include "ops.cuh"

namespace hiergeo::cuda {
namespace {

ScalarType common_type_of(const Operands& operands) {
  ScalarType type = operands.ux[0].scalar_type();
  for (const auto* side : {&operands.ux, &operands.uy}) {
    for (const Tensor& directions : *side) type = common_type(type, directions.scalar_type());
  }
  return type;
}

const Tensor* at(const std::vector<Tensor>& tensors, size_t f) { return tensors.empty() ? nullptr : &tensors[f]; }

}  // namespace

Formula value_of(Quantity quantity) {
  switch (quantity) {
    case Quantity::distance: return {Law::distance};
    case Quantity::distance_l1: return {Law::distance, 1, 0, -INFINITY, Combination::l1};
    case Quantity::cone_margin: return {Law::exterior_angle, -1, 1, -INFINITY, Combination::least};
    case Quantity::energy: return {Law::exterior_angle, 1, -1, 0};
    default: return {Law::exterior_angle};
  }
}

Formula score_of(Quantity quantity, bool swap) {
  Formula formula = value_of(quantity);
  if (quantity == Quantity::cone_margin) formula = {Law::exterior_angle, 1, -1, -INFINITY, Combination::most};
  if (swap && formula.law == Law::exterior_angle) formula.law = Law::swapped;
  return formula;
}

Factors::Factors(const Launch& launch, Operands operands, Formula formula, Product product, const Tensor* norms)
    : launch_(launch), operands_(std::move(operands)), formula_(formula), product_(product), norms_(norms) {
  size_t count = operands_.ux.size();
  STD_TORCH_CHECK(count <= kMostFactors, "CUDA kernels take at most ", kMostFactors, " factors, not ", count, ".");
  dtype_ = common_type_of(operands_);
  const bool of_rows = formula_.law != Law::swapped;
  for (size_t f = 0; f < count; ++f) {
    const Tensor& directions = operands_.ux[f];
    is_mixed_ |= operands_.uy[f].scalar_type() != dtype_;
    const Cloud cloud = {directions, at(operands_.rx, f), of_rows ? at(operands_.aperture, f) : nullptr};
    x_.push_back(prepare(launch_, cloud.of(operands_.exact, 0, f, count), operands_.curvature[f], product_, dtype_, {0, rows()}));
  }
}

int64_t Factors::widest_copy() const {
  int64_t width = 0;
  for (const Tensor& directions : operands_.uy) width += directions.size(2);
  return rows_of_chunk(batches() * width, size_of(*float_type(dtype_)));
}

Columns Factors::ready(const Choice& choice) const {
  const bool of_columns = formula_.law == Law::swapped;
  Columns columns;
  for (size_t f = 0; f < operands_.uy.size(); ++f) {
    const Cloud cloud = {operands_.uy[f], at(operands_.ry, f), of_columns ? at(operands_.aperture, f) : nullptr, norms_};
    columns.push_back(prepare(launch_, cloud.of(operands_.exact, 1, f, operands_.uy.size()), operands_.curvature[f], product_,
                              dtype_, choice));
  }
  return columns;
}

Scores Factors::scores(const Columns& columns) const {
  Scores scores = {formula_, int(columns.size()), {}};
  for (size_t f = 0; f < columns.size(); ++f) {
    scores.factors[f] = {x_[f].side, columns[f].side, operands_.curvature[f]};
  }
  return scores;
}

Scores part(Scores scores, const Chunk& chunk) {
  for (int f = 0; f < scores.count; ++f) {
    Factor& factor = scores.factors[f];
    factor.rows = rows_part(factor.rows, chunk);
    factor.columns = columns_part(factor.columns, chunk);
  }
  return scores;
}

namespace {

// A quantity of every pair, as an N x M matrix.
void store(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
           std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, int64_t product, Tensor out) {
  check_store({ux, rx, uy, ry, curvature, aperture, exact, quantity}, product, out);
  Launch launch(ux[0]);
  Factors factors(launch, {ux, rx, uy, ry, curvature, aperture, exact}, value_of(Quantity(quantity)), Product(product));
  int64_t size = out.element_size();
  factors.for_each_stretch([&](const Scores& scores, int64_t first) {
    write_scores(launch, scores,
                 {data<char>(out) + first * size, dtype_of(out), out.stride(0) * size, out.stride(1) * size});
  });
}

}  // namespace
}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) { m.impl("store", TORCH_BOX(&hiergeo::cuda::store)); }
