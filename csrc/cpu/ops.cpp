// The operators on CPU tensors: checked tensors become plain views, and the fastest level that runs here does the work.
#include "../operands.h"

#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <string>
#include <tuple>
#include <vector>

#include "pages.h"
#include "parallel.h"
#include "problem.h"

namespace hiergeo {
namespace {

// Refuses an unknown precision of searches, which `cheapest_precision` would otherwise take for float32.
void check_screen() {
  const char* named = std::getenv("HIERGEO_SCREEN");
  if (!named || !*named) return;
  for (const char* word : {"int8", "bfloat16", "float32"})
    if (!std::strcmp(named, word)) return;
  STD_TORCH_CHECK(false, "HIERGEO_SCREEN=", named, " must be int8, bfloat16 or float32.");
}

// The level that every operator runs at.
const Level& level() {
  check_screen();
  const char* wanted = std::getenv("HIERGEO_SIMD");
  const bool any = !wanted || !*wanted;
#if defined(__x86_64__)
  const bool v4 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                  __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma");
  const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2");
  if (v4 && (any || !std::strcmp(wanted, "avx512"))) return kAvx512;
  if (v3 && (any || !std::strcmp(wanted, "avx2"))) return kAvx2;
#endif
  STD_TORCH_CHECK(any || !std::strcmp(wanted, "baseline"), "HIERGEO_SIMD=", wanted,
                  " is not a level of this machine: unset it, or use baseline.");
  return kBaseline;
}

std::string simd_level() { return level().name; }

int64_t bytes_of(Dtype dtype) { return dtype == Dtype::float64 ? 8 : dtype == Dtype::float32 ? 4 : 2; }

// Matrix `batch` of a (B, rows, columns) tensor whose last stride is 1.
Rows rows_of(const Tensor& tensor, int64_t batch) {
  const Dtype dtype = dtype_of(tensor);
  const char* data = static_cast<const char*>(tensor.data_ptr());
  return {data + batch * tensor.stride(0) * bytes_of(dtype), dtype, tensor.size(1), tensor.size(2), tensor.stride(1)};
}

// A (B, N) tensor of doubles made contiguous, or nothing.
struct Numbers {
  std::optional<Tensor> tensor;

  explicit Numbers(const Tensor& of) : tensor(torch::stable::contiguous(of)) {}
  explicit Numbers(const std::optional<Tensor>& of) {
    if (of) tensor = torch::stable::contiguous(*of);
  }
  const double* row(int64_t batch) const {
    return tensor ? static_cast<const double*>(tensor->data_ptr()) + batch * tensor->size(1) : nullptr;
  }
};

// In a forked child torch's product might wait for threads that are not there.
Product product_of(int64_t code) { return forked ? Product::own : Product(code); }

// The exact vectors of a side: those of factor `f` of `count`, if there are any.
Exact exact_of(const std::vector<Tensor>& exact, size_t side, size_t f, size_t count, int64_t batch) {
  if (exact.empty()) return {};
  return {rows_of(exact[side * count + f], batch), static_cast<const double*>(exact[2 * count + f].data_ptr())};
}

// The operands that all pair operators share, one batch entry at a time.
struct Operands {
  const Tensor &ux, &uy;
  Numbers rx, ry, aperture;
  double curvature;
  const std::vector<Tensor>& exact;
  Product product;

  Pairs at(int64_t batch) const {
    return {{rows_of(ux, batch), rx.row(batch), aperture.row(batch), nullptr, exact_of(exact, 0, 0, 1, batch)},
            {rows_of(uy, batch), ry.row(batch), nullptr, nullptr, exact_of(exact, 1, 0, 1, batch)},
            curvature,
            product};
  }
  int64_t batches() const { return ux.size(0); }
  int64_t rows() const { return ux.size(1); }
  int64_t columns() const { return uy.size(1); }

  // Calls body(batch) for every problem that has pairs.
  template <class Body> void each(Body body) const {
    if (rows() == 0 || columns() == 0) return;
    for (int64_t batch = 0; batch < batches(); ++batch) body(batch);
  }
};

const std::optional<Tensor> kNone;

template <class T> T* data_of(const Tensor& tensor) { return static_cast<T*>(tensor.data_ptr()); }

// Entry `batch` of a contiguous (B, ...) tensor of the compute type.
void* entry(const Tensor& tensor, int64_t batch, int64_t numbers) {
  return data_of<char>(tensor) + batch * numbers * bytes_of(dtype_of(tensor));
}

// The operands of operators on factors. `number` is the half aperture of x, or of y where y is the apex.
struct FactorOperands {
  const std::vector<Tensor> &ux, &uy;
  std::vector<Numbers> rx, ry, number;
  std::vector<double> curvature;
  const std::vector<Tensor>& exact;
  bool apex_y;
  Product product;

  FactorOperands(const std::vector<Tensor>& x, const std::vector<Tensor>& radius_x, const std::vector<Tensor>& y,
                 const std::vector<Tensor>& radius_y, std::vector<double> curvatures, const std::vector<Tensor>& aperture,
                 const std::vector<Tensor>& of_rows, int64_t product_code, bool swap = false)
      : ux(x), uy(y), curvature(std::move(curvatures)), exact(of_rows), apex_y(swap), product(product_of(product_code)) {
    for (size_t f = 0; f < ux.size(); ++f) {
      rx.emplace_back(radius_x[f]);
      ry.emplace_back(radius_y[f]);
      number.push_back(aperture.empty() ? Numbers(kNone) : Numbers(aperture[f]));
    }
  }

  // Runs `work` on the factors of one batch entry after the other.
  template <class Work> void each(Work work) const {
    for (int64_t b = 0; b < batches(); ++b) {
      const std::vector<Pairs> factors = at(b);
      work(b, Factors{factors.data(), int64_t(factors.size())});
    }
  }
  int64_t batches() const { return ux[0].size(0); }
  int64_t rows() const { return ux[0].size(1); }

 private:
  std::vector<Pairs> at(int64_t batch) const {
    std::vector<Pairs> factors;
    for (size_t f = 0; f < ux.size(); ++f) {
      const double* of = number[f].row(batch);
      const Exact exact_x = exact_of(exact, 0, f, ux.size(), batch), exact_y = exact_of(exact, 1, f, ux.size(), batch);
      factors.push_back({{rows_of(ux[f], batch), rx[f].row(batch), apex_y ? nullptr : of, nullptr, exact_x},
                         {rows_of(uy[f], batch), ry[f].row(batch), apex_y ? of : nullptr, nullptr, exact_y},
                         curvature[f],
                         product});
    }
    return factors;
  }
};

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

using Six = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;
using Seven = std::tuple<Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor>;

// Gradients by the points, apertures and curvatures of all batch entries; those by points are written where there are pairs,
// and 0 where there are none.
struct GradientTensors {
  Tensor ux, rx, uy, ry, number, curvature;

  GradientTensors(const Tensor& x, const Tensor& y) : GradientTensors(x, x.size(0), x.size(1), y.size(1), x.size(2)) {}
  GradientTensors(const Tensor& like, int64_t batches, int64_t n, int64_t m, int64_t d)
      : ux(points(like, {batches, n, d}, n && m)), rx(points(like, {batches, n}, n && m)),
        uy(points(like, {batches, m, d}, n && m)), ry(points(like, {batches, m}, n && m)),
        number(zeros(like, {batches, n}, ScalarType::Double)), curvature(zeros(like, {batches}, ScalarType::Double)) {}

  Gradients at(int64_t b) const {
    const int64_t n = rx.size(1), m = ry.size(1), d = ux.size(2);
    return {entry(ux, b, n * d), entry(rx, b, n),          entry(uy, b, m * d),
            entry(ry, b, m),     data_of<double>(number) + b * n, data_of<double>(curvature) + b};
  }

 private:
  static Tensor points(const Tensor& like, std::initializer_list<int64_t> size, bool paired) {
    if (!paired) return zeros(like, size, compute_type(like));
    return torch::stable::new_empty(like, {size.begin(), size.size()}, compute_type(like));
  }
  static Tensor zeros(const Tensor& like, std::initializer_list<int64_t> size, ScalarType type) {
    return torch::stable::new_zeros(like, {size.begin(), size.size()}, type);
  }
};

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

std::tuple<Tensor, Tensor> smallest(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy,
                                    std::vector<Tensor> ry, std::vector<double> curvature, std::vector<Tensor> aperture,
                                    std::vector<Tensor> exact, int64_t quantity, int64_t k, bool swap, int64_t product) {
  check_smallest({ux, rx, uy, ry, curvature, aperture, exact, quantity, swap}, k, product);
  const FactorOperands all(ux, rx, uy, ry, curvature, aperture, exact, product, swap);
  const std::vector<int64_t> shape = {all.batches(), all.rows(), k};
  Tensor values = torch::stable::new_empty(ux[0], shape, compute_type(ux[0]));
  Tensor indices = torch::stable::new_empty(ux[0], shape, ScalarType::Long);
  all.each([&](int64_t b, const Factors& factors) {
    level().smallest(factors, Quantity(quantity), swap, k, entry(values, b, all.rows() * k),
                     data_of<int64_t>(indices) + b * all.rows() * k, in_parallel);
  });
  return {values, indices};
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
