// Sum and minimum of the energy max(0, Xi(x, y) - psi_x) over all y, and the sum of a loss over all pairs, without an N x M
// matrix.
#include "../loss.h"
#include "ops.cuh"
#include "spans.cuh"

namespace hiergeo::cuda {
namespace {

struct Sum {
  double total = 0;

  __device__ void take(double value, int64_t) { total += value; }
  __device__ void merge(Sum other) { total += other.total; }
};

// The smallest energy at the lowest column; NaN never wins.
struct Minimum {
  float value = INFINITY;
  int64_t column = -1;

  __device__ void take(float energy, int64_t place) { merge({energy, place}); }
  __device__ void merge(Minimum other) {
    if (other.value < value || (other.value == value && other.column < column)) *this = other;
  }
};

template <class Fold>
__global__ void __launch_bounds__(kThreads, 2)
    fold_energies(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature curvature,
                  Loss<float> loss, const __grid_constant__ Spans spans, Fold* partials) {
  HIERGEO_DYNAMIC_SHARED(memory);
  Fold* folds = reinterpret_cast<Fold*>(memory);  // [group][seat], in the place of the products
  static_assert(kThreads * sizeof(Fold) <= Shared::walkers_at, "folds fit");
  for (int64_t job = blockIdx.x; job < spans.jobs; job += gridDim.x) {
    Span span(spans, job);
    Fold fold;
    for (int64_t t = span.begin; t < span.end; ++t) {
      Place where = {span.batch, span.row, t * Seats::size};
      visit_tile(memory, rows, columns, where, curvature, [&](auto sign, const Seat& seat) {
        return [&, first = seat.walker](int w, const Point& y, const Point& x, Opening<float> opening) {
          auto triangle = triangle_of<decltype(sign)::value>(x, y, opening, curvature);
          fold.take(loss.value(triangle.exterior_angle(), x.number), first + w);
        };
      });
    }
    __syncthreads();
    folds[threadIdx.x] = fold;
    __syncthreads();
    int64_t i = span.row + threadIdx.x;
    if (threadIdx.x < Seats::size && i < rows.count) {
      for (int g = 1; g < Seats::groups; ++g) fold.merge(folds[g * Seats::size + threadIdx.x]);
      partials[span.partial(spans, rows, i)] = fold;
    }
    __syncthreads();
  }
}

__global__ void __launch_bounds__(kThreads)
    merge_minima(const Minimum* partials, int64_t rows, int64_t spans, float* values, int64_t* columns) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    Minimum best;
    for (int64_t s = 0; s < spans; ++s) best.merge(partials[s * rows + i]);
    values[i] = best.column < 0 ? NAN : best.value;
    columns[i] = best.column;
  }
}

// The folds of all spans, [span][batch][row], as numbers of float64.
template <class Fold> Tensor folds_of(const Launch& launch, const SpaceOperands& of, LossKind loss) {
  const Prepared x = of.x(launch), y = of.y(launch);
  const Spans spans(x.side, y.side.count);
  const int64_t words = sizeof(Fold) / sizeof(double);
  const Tensor folds = empty(of.ux, {spans.count, of.ux.size(0), of.ux.size(1) * words}, ScalarType::Double);
  launch.run(fold_energies<Fold>, spans.jobs, kThreads, Shared::bytes, x.side, y.side, Curvature(of.curvature),
             Loss<float>(loss), spans, data<Fold>(folds));
  return folds;
}

constexpr LossKind kEnergy = {false, 0};

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact,
                  int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  return sum_over(folds_of<Sum>(Launch(ux), {ux, rx, uy, ry, curvature, &aperture, exact, Product(product)}, kEnergy), 0);
}

std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture,
                                      std::vector<Tensor> exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Launch launch(ux);
  const Tensor folds = folds_of<Minimum>(launch, {ux, rx, uy, ry, curvature, &aperture, exact, Product(product)}, kEnergy);
  const int64_t rows = ux.size(0) * ux.size(1);
  Tensor values = empty(ux, {ux.size(0), ux.size(1)}, ScalarType::Float);
  Tensor columns = empty(ux, {ux.size(0), ux.size(1)}, ScalarType::Long);
  launch.run(merge_minima, ceil_div(rows, kThreads), kThreads, 0, const_data<Minimum>(folds), rows, folds.size(0),
             data<float>(values), data<int64_t>(columns));
  return {values, columns};
}

}  // namespace

Tensor loss_total(const Launch& launch, const SpaceOperands& of, LossKind kind) {
  return sum_over(sum_over(folds_of<Sum>(launch, of, kind), 0), 1);
}

}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) {
  m.impl("energy_sum", TORCH_BOX(&hiergeo::cuda::energy_sum));
  m.impl("energy_min", TORCH_BOX(&hiergeo::cuda::energy_min));
}
