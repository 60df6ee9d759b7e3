// Gradients of a quantity of every pair, or of the sum of a loss beside that sum, chunk by chunk: pairs are weighed, then the
// sums over D-wide rows are matrix products of torch, which follow its setting of TF32.
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

  Sums(const Launch& launch, const Cloud& cloud, double curvature, Product product, ScalarType dtype)
      : Sums(launch, cloud.direction, prepare(launch, cloud, curvature, product, dtype)) {}

  const Side& side() const { return prepared.side; }

 private:
  Sums(const Launch& launch, const Tensor& direction, Prepared made)
      : prepared(std::move(made)),
        rays(empty(direction, {direction.size(0), direction.size(1), direction.size(2)}, compute_type(direction))),
        pulls(zeros(direction, {direction.size(0), direction.size(1), direction.size(2)}, ScalarType::Double)),
        by_radius(zeros(direction, {direction.size(0), direction.size(1)}, ScalarType::Double)) {
    write_rays(launch, prepared.side, rays);
  }
};

class Backward {
 public:
  // Of the sum of a loss where there is no upstream gradient.
  Backward(const Tensor* upstream, LossKind loss, const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry,
           double curvature, Quantity quantity, const Tensor* aperture, const std::vector<Tensor>& exact, Product product)
      : launch_(ux),
        quantity_(quantity),
        loss_(loss),
        curvature_(curvature),
        upstream_(upstream),
        x_(launch_, Cloud{ux, &rx, aperture}.of(exact, 0), curvature, product, common_type(ux, uy)),
        y_(launch_, Cloud{uy, &ry}.of(exact, 1), curvature, product, common_type(ux, uy)),
        by_number_(zeros(ux, {ux.size(0), ux.size(1)}, ScalarType::Double)),
        by_curvature_(zeros(uy, {uy.size(0), uy.size(1)}, ScalarType::Double)),
        losses_(zeros(uy, {uy.size(0), uy.size(1)}, ScalarType::Double)) {}

  template <class T> void add(const Chunk& chunk) {
    RowShares shared = row_shares(sizeof(T) == 8, chunk.rows);
    int64_t words = ceil_div(chunk.columns, 32), shares = shared.count;
    int64_t row_sums = chunk.batches * words * chunk.rows, column_sums = chunk.batches * shares * chunk.columns;
    Tensor weights = empty(x_.rays, {chunk.batches, chunk.rows, chunk.columns}, x_.rays.scalar_type());
    Tensor near_of_rows = scratch<uint2>(x_.rays, chunk.batches * chunk.rows * words);
    Tensor near_of_columns = scratch<uint2>(x_.rays, chunk.batches * shared.words * chunk.columns);
    Tensor sums = empty(x_.rays, {2 * row_sums + 3 * column_sums}, ScalarType::Double);
    double *by_x_radius = data<double>(sums), *by_number = by_x_radius + row_sums;
    double *by_y_radius = by_number + row_sums, *by_curvature = by_y_radius + column_sums;
    double* losses = by_curvature + column_sums;

    const Objective objective = {quantity_, upstream_of(chunk, sizeof(T)), loss_};
    write_weights(launch_, objective, rows_part(x_.side(), chunk), columns_part(y_.side(), chunk), curvature_,
                  {data<T>(weights), data<uint2>(near_of_rows), data<uint2>(near_of_columns), by_x_radius, by_number,
                   by_y_radius, by_curvature, losses, words, shares});

    Addition rows = {chunk.batch, chunk.batches, words, chunk.row, chunk.rows, 1, x_.side().count};
    Addition columns = {chunk.batch, chunk.batches, shares, chunk.column, chunk.columns, 1, y_.side().count};
    add_parts<double>(launch_, rows, by_x_radius, data<double>(x_.by_radius));
    add_parts<double>(launch_, rows, by_number, data<double>(by_number_));
    add_parts<double>(launch_, columns, by_y_radius, data<double>(y_.by_radius));
    add_parts<double>(launch_, columns, by_curvature, data<double>(by_curvature_));
    if (!upstream_) add_parts<double>(launch_, columns, losses, data<double>(losses_));

    // Near pairs leave the weights with the second of these, before the products.
    NearWords of_rows = {data<uint2>(near_of_rows), words, 32, words, 1, chunk.rows * words};
    NearWords of_columns = {data<uint2>(near_of_columns), shared.words, shared.span, 1, chunk.columns,
                            shared.words * chunk.columns};
    pull_rows<T>(launch_, chunk, x_.side(), y_.side(), data<T>(weights), of_rows, x_.pulls);
    pull_columns<T>(launch_, chunk, x_.side(), y_.side(), data<T>(weights), of_columns, y_.pulls);
    Tensor to_x = product(weights, part_of(y_.rays, chunk.batch, chunk.batches, chunk.column, chunk.columns));
    add_product<T>(rows, to_x, x_);
    Tensor turned = torch::stable::transpose(weights, 1, 2);
    Tensor to_y = product(turned, part_of(x_.rays, chunk.batch, chunk.batches, chunk.row, chunk.rows));
    add_product<T>(columns, to_y, y_);
  }

  template <class T> std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> run() {
    for_each_chunk(x_.side().batches, x_.side().count, y_.side().count, sizeof(T),
                   [&](const Chunk& chunk) { add<T>(chunk); });
    auto [ux, rx] = gradients(x_);
    auto [uy, ry] = gradients(y_);
    return {ux, rx, uy, ry, by_number_, summed(by_curvature_)};
  }

  // The sum of the loss, (B,).
  Tensor total() const { return summed(losses_); }

 private:
  Tensor summed(const Tensor& terms) const {
    Tensor sums = empty(x_.rays, {x_.side().batches}, ScalarType::Double);
    sum_rows(launch_, terms, sums);
    return sums;
  }

  Upstream upstream_of(const Chunk& chunk, int64_t element_size) const {
    if (!upstream_) return {};
    int64_t batch = upstream_->stride(0), row = upstream_->stride(1), column = upstream_->stride(2);
    int64_t first = chunk.batch * batch + chunk.row * row + chunk.column * column;
    return {const_data<char>(*upstream_) + first * element_size, batch, row, column};
  }

  template <class T> void add_product(Addition shape, const Tensor& product, const Sums& sums) const {
    shape.parts = 1;
    shape.width = sums.side().width;
    add_parts<T>(launch_, shape, data<T>(product), data<double>(sums.pulls));
  }

  std::tuple<Tensor, Tensor> gradients(const Sums& sums) const {
    const Side& side = sums.side();
    Tensor direction = empty(sums.rays, {side.batches, side.count, side.width}, sums.rays.scalar_type());
    Tensor radius = empty(sums.rays, {side.batches, side.count}, sums.rays.scalar_type());
    write_gradients(launch_, side, sums.pulls, sums.by_radius, direction, radius);
    return {direction, radius};
  }

  Launch launch_;
  Quantity quantity_;
  LossKind loss_;
  double curvature_;
  const Tensor* upstream_;
  Sums x_, y_;
  Tensor by_number_, by_curvature_, losses_;
};

}  // namespace

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy,
                                                                    Tensor ry, double curvature, int64_t quantity,
                                                                    std::optional<Tensor> aperture, std::vector<Tensor> exact, int64_t product) {
  check_backward(upstream, ux, rx, uy, ry, curvature, quantity, aperture, exact, product);
  Backward pass(&upstream, {}, ux, rx, uy, ry, curvature, Quantity(quantity), aperture ? &*aperture : nullptr,
                exact, Product(product));
  return is_wide(ux) ? pass.run<double>() : pass.run<float>();
}

std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor> energy_total(Tensor ux, Tensor rx, Tensor uy, Tensor ry,
                                                                                double curvature, Tensor aperture,
                                                                                std::vector<Tensor> exact, std::optional<double> margin,
                                                                                bool gradients, int64_t product) {
  check_total(ux, rx, uy, ry, curvature, aperture, exact, margin, product);
  const LossKind loss = {margin.has_value(), margin.value_or(0)};
  if (!gradients) {
    const Tensor none = empty(ux, {ux.size(0), 0}, compute_type(ux));
    return {loss_total(ux, rx, uy, ry, curvature, aperture, exact, loss, Product(product)), none, none, none, none, none, none};
  }
  Backward pass(nullptr, loss, ux, rx, uy, ry, curvature, Quantity::energy, &aperture, exact, Product(product));
  auto [by_ux, by_rx, by_uy, by_ry, by_number, by_curvature] = is_wide(ux) ? pass.run<double>() : pass.run<float>();
  return {pass.total(), by_ux, by_rx, by_uy, by_ry, by_number, by_curvature};
}

}  // namespace hiergeo::cuda
