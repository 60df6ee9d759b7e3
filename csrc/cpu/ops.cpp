// The operators on CPU tensors: checked tensors become plain views, and the fastest level that runs here does the work.
#include <torch/csrc/stable/library.h>

#include <chrono>
#include <cmath>
#include <string>

#include "entries.h"

namespace hiergeo {
namespace {

std::string simd_level() { return level().name; }

void store(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
           std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, int64_t product, Tensor out) {
  check_store({ux, rx, uy, ry, curvature, aperture, exact, quantity}, product, out);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product);
  const int64_t width = bytes_of(dtype_of(out));
  all.each([&](int64_t b, const Factors& factors) {
    void* to = data_of<char>(out) + b * out.stride(0) * width;
    prefer_huge_pages(to, out.size(1) * out.stride(1) * width);
    level().store(factors, Quantity(quantity), {to, dtype_of(out), out.stride(1)}, in_parallel);
  });
}

Six backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, int64_t quantity,
             std::optional<Tensor> aperture, std::vector<Tensor> exact, int64_t product) {
  check_backward(upstream, ux, rx, uy, ry, curvature, quantity, aperture, exact, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(aperture), curvature, exact, product_of(product)};
  const GradientTensors to(ux, uy);
  const int64_t width = bytes_of(dtype_of(upstream));
  all.each([&](int64_t b) {
    const Upstream from = {data_of<char>(upstream) + b * upstream.stride(0) * width, upstream.stride(1), upstream.stride(2)};
    level().backward(all.at(b), Quantity(quantity), from, to.at(b), in_parallel);
  });
  return {to.ux, to.rx, to.uy, to.ry, to.number, to.curvature};
}

Tensor count(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
             std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, std::optional<Tensor> reach,
             int64_t product) {
  check_count({ux, rx, uy, ry, curvature, aperture, exact, quantity}, reach, product);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Numbers within(reach);
  Tensor counts = torch::stable::new_zeros(ux[0], {all.batches(), all.rows()}, ScalarType::Long);
  all.each([&](int64_t b, const Factors& factors) {
    int64_t* to = data_of<int64_t>(counts) + b * all.rows();
    if (reach)
      level().count_within(factors, Quantity(quantity), within.row(b), to, in_parallel);
    else
      level().count(factors, to, in_parallel);
  });
  return counts;
}

std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_members(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(aperture), curvature, exact, product_of(product)};
  const int64_t n = all.rows();
  std::vector<int64_t> next(n, 0);
  const Pairs pairs = all.at(0);
  level().count({&pairs, 1}, next.data(), in_parallel);
  Tensor offsets = torch::stable::new_zeros(ux, {n + 1}, ScalarType::Long);
  int64_t* offset = data_of<int64_t>(offsets);
  for (int64_t i = 0; i < n; ++i) {
    offset[i + 1] = offset[i] + next[i];
    next[i] = offset[i];
  }
  Tensor columns = torch::stable::new_empty(ux, {offset[n]}, ScalarType::Long);
  level().members(pairs, data_of<int64_t>(columns), next.data(), in_parallel);
  return {offsets, columns};
}

// n up to a multiple of 64.
constexpr int64_t whole_lines(int64_t n) { return (n + 63) / 64 * 64; }

// That of the points of one problem.
void check_shadow(const Tensor& uy, const Tensor& rows, const Tensor& numbers) {
  STD_TORCH_CHECK(uy.size(0) == 1, "uy must hold one problem where it has a shadow, not ", uy.size(0), ".");
  STD_TORCH_CHECK(compute_type(uy) == ScalarType::Float, "uy must not be float64 where it has a shadow.");
  operands::check("rows", rows, ScalarType::Byte, {uy.size(1), whole_lines(uy.size(2))}, uy);
  operands::check("numbers", numbers, ScalarType::Float, {kShadowNumbers, whole_lines(uy.size(1))}, uy);
  STD_TORCH_CHECK(rows.is_contiguous() && numbers.is_contiguous(), "rows and numbers must be contiguous.");
}

void check_shadow(const Tensor& uy, const Tensor& ry, double curvature) {
  operands::check_directions("uy", uy, 3);
  operands::check_numbers("ry", ry, uy);
  operands::check_curvature(curvature);
  STD_TORCH_CHECK(uy.size(0) == 1, "uy must hold one problem, not ", uy.size(0), ".");
  STD_TORCH_CHECK(compute_type(uy) == ScalarType::Float, "uy must not be float64.");
}

void check_smallest_among(const operands::FactorLists& of, const std::vector<Tensor>& rows,
                                 const std::vector<Tensor>& numbers, int64_t k, int64_t product) {
  check_smallest(of, k, product);
  STD_TORCH_CHECK(rows.size() == of.uy.size() && numbers.size() == of.uy.size(), "rows and numbers must hold one entry a factor.");
  for (size_t f = 0; f < rows.size(); ++f) check_shadow(of.uy[f], rows[f], numbers[f]);
}

Shadow shadow_of(const Tensor& rows, const Tensor& numbers) {
  return {static_cast<uint8_t*>(rows.data_ptr()), static_cast<float*>(numbers.data_ptr()), rows.size(1), numbers.size(1)};
}

std::tuple<Tensor, Tensor> smallest_of(const FactorOperands& all, int64_t quantity, int64_t k, bool swap) {
  const std::vector<int64_t> shape = {all.batches(), all.rows(), k};
  Tensor values = torch::stable::new_empty(all.ux[0], shape, compute_type(all.ux[0]));
  Tensor indices = torch::stable::new_empty(all.ux[0], shape, ScalarType::Long);
  all.each([&](int64_t b, const Factors& factors) {
    level().smallest(factors, Quantity(quantity), swap, k, entry(values, b, all.rows() * k),
                     data_of<int64_t>(indices) + b * all.rows() * k, in_parallel);
  });
  return {values, indices};
}

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    std::vector<Tensor> exact, int64_t quantity, int64_t k, bool swap, int64_t product) {
  check_smallest({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, k, product);
  return smallest_of({ux, rx, uy, ry, curvature, aperture, exact, product, swap}, quantity, k, swap);
}

std::tuple<Tensor, Tensor> shadow(Tensor uy, Tensor ry, double curvature) {
  check_shadow(uy, ry, curvature);
  const auto made = [&](ScalarType type, std::vector<int64_t> size) { return torch::stable::new_empty(uy, size, type); };
  Tensor rows = made(ScalarType::Byte, {uy.size(1), whole_lines(uy.size(2))});
  Tensor numbers = made(ScalarType::Float, {kShadowNumbers, whole_lines(uy.size(1))});
  const Numbers radius(ry);
  const bool useful = level().shade({rows_of(uy, 0), radius.row(0), nullptr}, curvature, shadow_of(rows, numbers), in_parallel);
  if (useful) return {rows, numbers};
  return {made(ScalarType::Byte, {0, 0}), made(ScalarType::Float, {kShadowNumbers, 0})};
}

// `smallest` of one problem whose points y have a shadow in every factor.
std::tuple<Tensor, Tensor> smallest_among(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                          std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                          std::vector<Tensor> exact, int64_t quantity, std::vector<Tensor> rows,
                                          std::vector<Tensor> numbers, int64_t k, bool swap, int64_t product) {
  check_smallest_among({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, rows, numbers, k, product);
  FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product, swap);
  for (size_t f = 0; f < rows.size(); ++f) all.shadow.push_back(shadow_of(rows[f], numbers[f]));
  return smallest_of(all, quantity, k, swap);
}

Tensor rank(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
            std::vector<double> curvature, std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor target, bool swap,
            int64_t product) {
  check_rank({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, target, product);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product, swap);
  const Tensor targets = torch::stable::contiguous(target);
  operands::check_targets(data_of<int64_t>(targets), all.batches() * all.rows(), uy[0].size(1));
  Tensor ranks = torch::stable::new_zeros(ux[0], {all.batches(), all.rows()}, ScalarType::Long);
  all.each([&](int64_t b, const Factors& factors) {
    level().rank(factors, Quantity(quantity), swap, data_of<int64_t>(targets) + b * all.rows(),
                 data_of<int64_t>(ranks) + b * all.rows(), in_parallel);
  });
  return ranks;
}

std::tuple<Tensor, Tensor> nearest_ladder(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                          std::vector<Tensor> ry, std::vector<double> curvature,
                                          std::vector<Tensor> aperture, std::vector<Tensor> exact, int64_t quantity, Tensor order, Tensor ends,
                                          int64_t product) {
  check_nearest_ladder({ux, rx, uy, ry, curvature, aperture, exact, quantity}, order, ends, product);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Tensor in_order = torch::stable::contiguous(order), until = torch::stable::contiguous(ends);
  const std::vector<int64_t> shape = {all.rows(), until.size(0)};
  operands::check_prefixes(data_of<int64_t>(in_order), in_order.size(0), data_of<int64_t>(until), shape[1], uy[0].size(1));
  Tensor indices = torch::stable::new_empty(ux[0], shape, ScalarType::Long);
  Tensor distances = torch::stable::new_empty(ux[0], shape, compute_type(ux[0]));
  all.each([&](int64_t, const Factors& factors) {
    level().nearest_ladder(factors, Quantity(quantity), data_of<int64_t>(in_order), data_of<int64_t>(until), shape[1],
                           data_of<int64_t>(indices), distances.data_ptr(), in_parallel);
  });
  return {indices, distances};
}

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(aperture), curvature, exact, product_of(product)};
  Tensor sums = torch::stable::new_zeros(ux, {all.batches(), all.rows()}, ScalarType::Double);
  all.each([&](int64_t b) { level().energy_sum(all.at(b), data_of<double>(sums) + b * all.rows(), in_parallel); });
  return sums;
}

// Without `gradients` the others are empty, (B, 0).
Seven energy_total(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, std::optional<double> margin,
                   bool gradients, int64_t product) {
  check_total(ux, rx, uy, ry, curvature, aperture, exact, margin, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(aperture), curvature, exact, product_of(product)};
  const LossKind kind = {margin.has_value(), margin.value_or(0)};
  Tensor total = torch::stable::new_zeros(ux, {all.batches()}, ScalarType::Double);
  double* totals = data_of<double>(total);
  if (!gradients) {
    all.each([&](int64_t b) { level().energy_total(all.at(b), kind, totals + b, in_parallel); });
    const Tensor none = torch::stable::new_empty(ux, {all.batches(), 0}, compute_type(ux));
    return {total, none, none, none, none, none, none};
  }
  const GradientTensors to(ux, uy);
  all.each([&](int64_t b) { level().energy_gradients(all.at(b), kind, totals + b, to.at(b), in_parallel); });
  return {total, to.ux, to.rx, to.uy, to.ry, to.number, to.curvature};
}

std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Operands all = {ux, uy, Numbers(rx), Numbers(ry), Numbers(aperture), curvature, exact, product_of(product)};
  const std::vector<int64_t> shape = {all.batches(), all.rows()};
  Tensor values = torch::stable::fill_(torch::stable::new_empty(ux, shape, compute_type(ux)), INFINITY);
  Tensor indices = torch::stable::fill_(torch::stable::new_empty(ux, shape, ScalarType::Long), -1);
  all.each([&](int64_t b) {
    level().energy_min(all.at(b), entry(values, b, all.rows()), data_of<int64_t>(indices) + b * all.rows(), in_parallel);
  });
  return {values, indices};
}

std::tuple<Tensor, Tensor> ladder(Tensor queries, Tensor candidates, std::optional<Tensor> norms, Tensor order, Tensor ends,
                                  int64_t product) {
  check_ladder(queries, candidates, norms, order, ends, product);
  const Tensor in_order = torch::stable::contiguous(order), until = torch::stable::contiguous(ends);
  const std::vector<int64_t> shape = {queries.size(0), until.size(0)};
  operands::check_prefixes(data_of<int64_t>(in_order), in_order.size(0), data_of<int64_t>(until), shape[1], candidates.size(0));
  Tensor indices = torch::stable::fill_(torch::stable::new_empty(queries, shape, ScalarType::Long), -1);
  Tensor cosines = torch::stable::fill_(torch::stable::new_empty(queries, shape, compute_type(queries)), NAN);
  const std::optional<Tensor> lengths = norms ? std::optional(torch::stable::contiguous(*norms)) : std::nullopt;
  auto points = [](const Tensor& t, const double* norm) {
    return Points{{t.data_ptr(), dtype_of(t), t.size(0), t.size(1), t.stride(0)}, nullptr, nullptr, norm};
  };
  level().ladder(points(queries, nullptr), points(candidates, lengths ? data_of<double>(*lengths) : nullptr), data_of<int64_t>(in_order), data_of<int64_t>(until), shape[1],
                 data_of<int64_t>(indices), cosines.data_ptr(), product_of(product), in_parallel);
  return {indices, cosines};
}

// Floating-point operations per second of one thread at the level that runs.
double fma_peak(int64_t repeats) {
  const auto start = std::chrono::steady_clock::now();
  const double operations = level().multiply_adds(repeats);
  return operations / std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CPU, m) {
  m.impl("store", TORCH_BOX(&store));
  m.impl("backward", TORCH_BOX(&backward));
  m.impl("count", TORCH_BOX(&count));
  m.impl("members", TORCH_BOX(&members));
  m.impl("smallest", TORCH_BOX(&smallest));
  m.impl("shadow", TORCH_BOX(&shadow));
  m.impl("smallest_among", TORCH_BOX(&smallest_among));
  m.impl("rank", TORCH_BOX(&rank));
  m.impl("nearest_ladder", TORCH_BOX(&nearest_ladder));
  m.impl("energy_sum", TORCH_BOX(&energy_sum));
  m.impl("energy_total", TORCH_BOX(&energy_total));
  m.impl("energy_min", TORCH_BOX(&energy_min));
  m.impl("ladder", TORCH_BOX(&ladder));
}

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, CompositeExplicitAutograd, m) {
  m.impl("simd_level", TORCH_BOX(&simd_level));
  m.impl("fma_peak", TORCH_BOX(&fma_peak));
}

}  // namespace hiergeo
