// Gradients of a quantity of every pair, of the sum of a loss beside that sum, or of what logits were reduced to, chunk by chunk:
// pairs are weighed, then the sums over D-wide rows are matrix products of torch, which follow its setting of TF32.
#include <functional>

#include "ops.cuh"
#include "pulls.cuh"
#include "weights.cuh"

namespace hiergeo::cuda {
namespace {

// (b, n, k) times (b, k, m); the overload with an output is left alone by autocast.
Tensor product(const Tensor& a, const Tensor& b) {
  Tensor out = empty(a, {a.size(0), a.size(1), b.size(2)}, a.scalar_type());
  std::array<StableIValue, 3> stack{torch::stable::detail::from(a), torch::stable::detail::from(b),
                                    torch::stable::detail::from(out)};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::bmm", "out", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

Tensor part_of(const Tensor& rays, int64_t batch, int64_t batches, int64_t first, int64_t count) {
  Tensor some = torch::stable::narrow(const_cast<Tensor&>(rays), 0, batch, batches);
  return torch::stable::narrow(some, 1, first, count);
}

// Everything that is summed for one side.
struct Sums {
  Prepared prepared;
  Tensor rays, pulls, by_radius;

  Sums(const Launch& launch, const Tensor& direction, Prepared made)
      : prepared(std::move(made)),
        rays(empty(direction, {direction.size(0), direction.size(1), direction.size(2)}, ScalarType::Float)),
        pulls(filled(direction, {direction.size(0), direction.size(1), direction.size(2)}, ScalarType::Double, 0)),
        by_radius(filled(direction, {direction.size(0), direction.size(1)}, ScalarType::Double, 0)) {
    write_rays(launch, prepared.side, rays);
  }

  const Side& side() const { return prepared.side; }
};

class Backward {
 public:
  // `objective` is what is differentiated of a chunk.
  Backward(const Launch& launch, std::function<Objective(const Chunk&)> objective, const SpaceOperands& of)
      : launch_(launch),
        objective_(std::move(objective)),
        curvature_(of.curvature),
        x_(launch_, of.ux, of.x(launch_)),
        y_(launch_, of.uy, of.y(launch_)),
        by_number_(filled(of.ux, {of.ux.size(0), of.ux.size(1)}, ScalarType::Double, 0)),
        by_curvature_(filled(of.uy, {of.uy.size(0), of.uy.size(1)}, ScalarType::Double, 0)),
        values_(filled(of.uy, {of.uy.size(0), of.uy.size(1)}, ScalarType::Double, 0)),
        by_logit_(filled(of.uy, {of.uy.size(0), of.uy.size(1)}, ScalarType::Double, 0)) {}

  std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> run() {
    for_each_chunk(x_.side().batches, x_.side().count, y_.side().count, [&](const Chunk& chunk) { add(chunk); });
    auto [ux, rx] = gradients(x_);
    auto [uy, ry] = gradients(y_);
    return {ux, rx, uy, ry, by_number_, sum_over(by_curvature_, 1)};
  }

  // What is summed beside, (B,): a loss, or derivatives by the scale of logits; and those by logits.
  Tensor values() const { return sum_over(values_, 1); }
  Tensor by_logit() const { return sum_over(by_logit_, 1); }

 private:
  void add(const Chunk& chunk) {
    int64_t words = ceil_div(chunk.columns, 32), shares = row_shares(chunk.rows);
    int64_t row_sums = chunk.batches * words * chunk.rows, column_sums = chunk.batches * shares * chunk.columns;
    Tensor weights = empty(x_.rays, {chunk.batches, chunk.rows, chunk.columns}, ScalarType::Float);
    Tensor near_of_rows = scratch<uint2>(x_.rays, row_sums), near_of_columns = scratch<uint2>(x_.rays, 2 * column_sums);
    Tensor sums = empty(x_.rays, {2 * row_sums + 4 * column_sums}, ScalarType::Double);
    double *by_x_radius = data<double>(sums), *by_number = by_x_radius + row_sums;
    double *by_y_radius = by_number + row_sums, *by_curvature = by_y_radius + column_sums;
    double *values = by_curvature + column_sums, *by_logit = values + column_sums;

    const Objective objective = objective_(chunk);
    write_weights(launch_, objective, rows_part(x_.side(), chunk), columns_part(y_.side(), chunk), curvature_,
                  {data<float>(weights), data<uint2>(near_of_rows), data<uint2>(near_of_columns), by_x_radius, by_number,
                   by_y_radius, by_curvature, values, by_logit, words, shares});

    Addition rows = {chunk.batch, chunk.batches, words, chunk.row, chunk.rows, 1, x_.side().count};
    Addition columns = {chunk.batch, chunk.batches, shares, chunk.column, chunk.columns, 1, y_.side().count};
    add_parts<double>(launch_, rows, by_x_radius, data<double>(x_.by_radius));
    add_parts<double>(launch_, rows, by_number, data<double>(by_number_));
    add_parts<double>(launch_, columns, by_y_radius, data<double>(y_.by_radius));
    add_parts<double>(launch_, columns, by_curvature, data<double>(by_curvature_));
    if (objective.summed()) add_parts<double>(launch_, columns, values, data<double>(values_));
    if (objective.contrasted()) add_parts<double>(launch_, columns, by_logit, data<double>(by_logit_));

    // Near pairs leave the weights with the second of these, before the products.
    NearWords of_rows = {data<uint2>(near_of_rows), words, words, 1, chunk.rows * words};
    NearWords of_columns = {data<uint2>(near_of_columns), 2 * shares, 1, chunk.columns, 2 * shares * chunk.columns};
    pull_rows(launch_, chunk, x_.side(), y_.side(), data<float>(weights), of_rows, x_.pulls);
    pull_columns(launch_, chunk, x_.side(), y_.side(), data<float>(weights), of_columns, y_.pulls);
    Tensor to_x = product(weights, part_of(y_.rays, chunk.batch, chunk.batches, chunk.column, chunk.columns));
    add_product(rows, to_x, x_);
    Tensor turned = torch::stable::transpose(weights, 1, 2);
    Tensor to_y = product(turned, part_of(x_.rays, chunk.batch, chunk.batches, chunk.row, chunk.rows));
    add_product(columns, to_y, y_);
  }

  void add_product(Addition shape, const Tensor& product, const Sums& sums) const {
    shape.parts = 1;
    shape.width = sums.side().width;
    add_parts<float>(launch_, shape, data<float>(product), data<double>(sums.pulls));
  }

  std::tuple<Tensor, Tensor> gradients(const Sums& sums) const {
    const Side& side = sums.side();
    Tensor direction = empty(sums.rays, {side.batches, side.count, side.width}, ScalarType::Float);
    Tensor radius = empty(sums.rays, {side.batches, side.count}, ScalarType::Float);
    write_gradients(launch_, side, sums.pulls, sums.by_radius, direction, radius);
    return {direction, radius};
  }

  const Launch& launch_;
  std::function<Objective(const Chunk&)> objective_;
  double curvature_;
  Sums x_, y_;
  Tensor by_number_, by_curvature_, values_, by_logit_;
};

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy,
                                                                    Tensor ry, double curvature, int64_t quantity,
                                                                    std::optional<Tensor> aperture,
                                                                    std::vector<Tensor> exact, int64_t product) {
  check_backward(upstream, ux, rx, uy, ry, curvature, quantity, aperture, exact, product);
  const Launch launch(ux);
  auto objective = [&](const Chunk& chunk) -> Objective {
    int64_t batch = upstream.stride(0), row = upstream.stride(1), column = upstream.stride(2);
    int64_t first = chunk.batch * batch + chunk.row * row + chunk.column * column;
    return {Quantity(quantity), {const_data<float>(upstream) + first, batch, row, column}, {}, {}};
  };
  const Tensor* number = aperture ? &*aperture : nullptr;
  return Backward(launch, objective, {ux, rx, uy, ry, curvature, number, exact, Product(product)}).run();
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> energy_total(
    Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact,
    std::optional<double> margin, bool gradients, int64_t product) {
  check_total(ux, rx, uy, ry, curvature, aperture, exact, margin, product);
  const SpaceOperands of = {ux, rx, uy, ry, curvature, &aperture, exact, Product(product)};
  const LossKind loss = {margin.has_value(), margin.value_or(0)};
  const Launch launch(ux);
  if (!gradients) {
    const Tensor none = empty(ux, {ux.size(0), 0}, ScalarType::Float);
    return {loss_total(launch, of, loss), none, none, none, none, none, none};
  }
  Backward pass(launch, [&](const Chunk&) -> Objective { return {Quantity::energy, {}, loss, {}}; }, of);
  auto [by_ux, by_rx, by_uy, by_ry, by_number, by_curvature] = pass.run();
  return {pass.values(), by_ux, by_rx, by_uy, by_ry, by_number, by_curvature};
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> contrast_backward(
    Tensor rows, Tensor columns, std::vector<Tensor> upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature,
    std::vector<Tensor> exact, Tensor scale, Tensor bias, std::optional<Tensor> labels_x, std::optional<Tensor> labels_y,
    bool squared, bool softplus, int64_t product) {
  check_contrast_backward(rows, columns, upstream, ux, rx, uy, ry, curvature, exact, {scale, bias, labels_x, labels_y}, product);
  const Launch launch(ux);
  const LogitTensors logits = logits_of(scale, bias, labels_x, labels_y, squared, softplus);
  const Tensor x = shares_of(launch, rows, upstream[0], upstream[2], logits.x_label);
  const Tensor y = shares_of(launch, columns, upstream[1], upstream[3], logits.y_label);
  const int64_t n = ux.size(1), m = uy.size(1);
  auto objective = [&](const Chunk& chunk) -> Objective {
    return {Quantity::distance, {}, {}, {logits.numbers(), const_data<Share>(x) + chunk.batch * n + chunk.row,
                                         const_data<Share>(y) + chunk.batch * m + chunk.column, chunk.batch, n, m}};
  };
  Backward pass(launch, objective, {ux, rx, uy, ry, curvature, nullptr, exact, Product(product)});
  auto [by_ux, by_rx, by_uy, by_ry, by_number, by_curvature] = pass.run();
  return {by_ux, by_rx, by_uy, by_ry, by_curvature, pass.values(), pass.by_logit()};
}

}  // namespace
}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) {
  m.impl("backward", TORCH_BOX(&hiergeo::cuda::backward));
  m.impl("energy_total", TORCH_BOX(&hiergeo::cuda::energy_total));
  m.impl("contrast_backward", TORCH_BOX(&hiergeo::cuda::contrast_backward));
}
