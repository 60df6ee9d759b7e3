// Sum and minimum of the energy max(0, Xi(x, y) - psi_x) over all y, and the sum of a loss over all pairs, without an N x M
// matrix.
#include "../loss.h"
#include "ops.cuh"
#include "pulls.cuh"
#include "spans.cuh"

namespace hiergeo::cuda {
namespace {

struct Sum {
  double total = 0;

  __device__ void take(double value, int64_t) { total += value; }
  __device__ void merge(Sum other) { total += other.total; }
};

// The smallest energy at the lowest column; NaN never wins.
template <class T> struct Minimum {
  T value = INFINITY;
  int64_t column = -1;

  __device__ void take(T energy, int64_t place) { merge({energy, place}); }
  __device__ void merge(Minimum other) {
    if (other.value < value || (other.value == value && other.column < column)) *this = other;
  }
};

template <Kind KIND, int SIGN, class Fold, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, kBlocks<KIND>)
    fold_energies(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature<T> curvature,
                  Loss<T> loss, const __grid_constant__ Spans spans, Fold* partials) {
  using Shape = Seats<T>;
  HIERGEO_DYNAMIC_SHARED(memory);
  Fold* folds = reinterpret_cast<Fold*>(memory);  // [group][seat], in the place of the products
  static_assert(kThreads * sizeof(Fold) <= Shared<T>::walkers_at, "folds fit");
  for (int64_t job = blockIdx.x; job < spans.jobs; job += gridDim.x) {
    Span span(spans, job, Shape::size);
    Fold fold;
    for (int64_t t = span.begin; t < span.end; ++t) {
      visit_tile<KIND>(memory, rows, columns, {span.batch, span.row, t * Shape::size}, [&](const Seat& seat) {
        return [&, first = seat.walker](int w, const Point<T>& y, const Point<T>& x, Opening<T> opening) {
          fold.take(loss.value(triangle_of<SIGN>(x, y, opening, curvature).exterior_angle(), x.number), first + w);
        };
      });
    }
    __syncthreads();
    folds[threadIdx.x] = fold;
    __syncthreads();
    int64_t i = span.row + threadIdx.x;
    if (threadIdx.x < Shape::size && i < rows.count) {
      for (int g = 1; g < Shape::groups; ++g) fold.merge(folds[g * Shape::size + threadIdx.x]);
      partials[span.partial(spans, rows, i)] = fold;
    }
    __syncthreads();
  }
}

template <class Fold> __device__ Fold merged(const Fold* partials, int64_t rows, int64_t spans, int64_t i) {
  Fold fold;
  for (int64_t s = 0; s < spans; ++s) fold.merge(partials[s * rows + i]);
  return fold;
}

__global__ void __launch_bounds__(kThreads) merge_sums(const Sum* partials, int64_t rows, int64_t spans, double* sums) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    sums[i] = merged(partials, rows, spans, i).total;
  }
}

template <class T>
__global__ void __launch_bounds__(kThreads)
    merge_minima(const Minimum<T>* partials, int64_t rows, int64_t spans, T* values, int64_t* columns) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    Minimum<T> best = merged(partials, rows, spans, i);
    values[i] = best.column < 0 ? T(NAN) : best.value;
    columns[i] = best.column;
  }
}

// Calls finish(partials, spans) with the folds of all spans, [span][batch * row].
template <class T> using SumOf = Sum;
template <template <class> class Fold, class Finish>
void fold(const Launch& launch, const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry,
          double curvature, const Tensor& aperture, const std::vector<Tensor>& exact, LossKind loss, Product product, Finish finish) {
  Prepared x = prepare(launch, Cloud{ux, &rx, &aperture}.of(exact, 0), curvature, product, common_type(ux, uy));
  Prepared y = prepare(launch, Cloud{uy, &ry}.of(exact, 1), curvature, product, common_type(ux, uy));
  with_kind(x.side.kind(), curvature, [&](auto kind, auto sign) {
    constexpr Kind KIND = decltype(kind)::value;
    using T = Compute<KIND>;
    Spans spans(x.side, y.side.count, Tile<T>::size);
    Tensor memory = scratch<Fold<T>>(ux, spans.partials());
    auto* partials = data<Fold<T>>(memory);
    launch.run(fold_energies<KIND, decltype(sign)::value, Fold<T>>, spans.jobs, kThreads, Shared<T>::bytes, x.side, y.side,
               Curvature<T>(curvature), Loss<T>(loss), spans, partials);
    finish(partials, spans);
  });
}

constexpr LossKind kEnergy = {false, 0};

// The sum over y of each x, (B, N).
Tensor sum(const Launch& launch, const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
           const Tensor& aperture, const std::vector<Tensor>& exact, LossKind loss, Product product) {
  Tensor sums = empty(ux, {ux.size(0), ux.size(1)}, ScalarType::Double);
  fold<SumOf>(launch, ux, rx, uy, ry, curvature, aperture, exact, loss, product, [&](auto* partials, const Spans& spans) {
    launch.run(merge_sums, ceil_div(spans.rows, kThreads), kThreads, 0, partials, spans.rows, spans.count,
               data<double>(sums));
  });
  return sums;
}

}  // namespace

Tensor energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  return sum(Launch(ux), ux, rx, uy, ry, curvature, aperture, exact, kEnergy, Product(product));
}

Tensor loss_total(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                  const Tensor& aperture, const std::vector<Tensor>& exact, LossKind kind, Product product) {
  Launch launch(ux);
  Tensor total = empty(ux, {ux.size(0)}, ScalarType::Double);
  sum_rows(launch, sum(launch, ux, rx, uy, ry, curvature, aperture, exact, kind, product), total);
  return total;
}

std::tuple<Tensor, Tensor> energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_cones(ux, rx, uy, ry, curvature, aperture, exact, product);
  Launch launch(ux);
  Tensor values = empty(ux, {ux.size(0), ux.size(1)}, compute_type(ux));
  Tensor columns = empty(ux, {ux.size(0), ux.size(1)}, ScalarType::Long);
  auto finish = [&](auto* partials, const Spans& spans) {
    using T = decltype(partials->value);
    launch.run(merge_minima<T>, ceil_div(spans.rows, kThreads), kThreads, 0, partials, spans.rows, spans.count,
               data<T>(values), data<int64_t>(columns));
  };
  fold<Minimum>(launch, ux, rx, uy, ry, curvature, aperture, exact, kEnergy, Product(product), finish);
  return {values, columns};
}

}  // namespace hiergeo::cuda
