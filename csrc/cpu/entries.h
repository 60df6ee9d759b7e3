// What the operators on CPU tensors share: the level that runs, and checked tensors as plain views, one batch entry at a time.
#pragma once

#include "../operands.h"

#include <torch/csrc/stable/ops.h>
#include <torch/csrc/stable/tensor.h>

#include <cstdlib>
#include <cstring>
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
  for (const char* word : {"amx", "int8", "bfloat16", "float32"})
    if (!std::strcmp(named, word)) return;
  STD_TORCH_CHECK(false, "HIERGEO_SCREEN=", named, " must be amx, int8, bfloat16 or float32.");
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
  std::vector<Shadow> shadow;  // of y; empty where there are none
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
                         {rows_of(uy[f], batch), ry[f].row(batch), apex_y ? of : nullptr, nullptr, exact_y,
                          shadow.empty() ? Shadow{} : shadow[f]},
                         curvature[f],
                         product});
    }
    return factors;
  }
};

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
    const Tensor made = torch::stable::new_empty(like, {size.begin(), size.size()}, compute_type(like));
    prefer_huge_pages(made.data_ptr(), made.numel() * bytes_of(dtype_of(made)));
    return made;
  }
  static Tensor zeros(const Tensor& like, std::initializer_list<int64_t> size, ScalarType type) {
    return torch::stable::new_zeros(like, {size.begin(), size.size()}, type);
  }
};

}  // namespace
}  // namespace hiergeo
