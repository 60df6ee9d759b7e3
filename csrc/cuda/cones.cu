// Which y lie in the cone of each x: how many, and which, as CSR in ascending order.
#include "ops.cuh"
#include "prepare.cuh"
#include "spans.cuh"

namespace hiergeo::cuda {
namespace {

// One kernel counts and fills, so that both decide every pair by the very same instructions. Without `members` it
// writes how many members each row has in the span; with them `partials` holds how many it has in the spans before, and
// `crow` where the row begins.
template <Kind KIND, int SIGN, class T = Compute<KIND>>
__global__ void __launch_bounds__(kThreads, kBlocks<KIND>)
    cones(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature<T> curvature,
          const __grid_constant__ Spans spans, int64_t* partials, const int64_t* crow, int64_t* members) {
  using Shape = Seats<T>;
  HIERGEO_DYNAMIC_SHARED(memory);
  __shared__ int found[Shape::groups][Shape::size];
  int seat = threadIdx.x % Shape::size, group = threadIdx.x / Shape::size;
  for (int64_t job = blockIdx.x; job < spans.jobs; job += gridDim.x) {
    Span span(spans, job, Shape::size);
    int64_t i = span.row + seat;
    bool owned = i < rows.count;
    int64_t* partial = partials + span.partial(spans, rows, i);
    int64_t next = owned && members != nullptr ? crow[i] + *partial : 0;
    for (int64_t t = span.begin; t < span.end; ++t) {
      uint64_t inside = 0;  // bit w: walker w of this group's share
      visit_tile<KIND>(memory, rows, columns, {span.batch, span.row, t * Shape::size}, [&](const auto&) {
        return [&](int w, const Point<T>& y, const Point<T>& x, Opening<T> opening) {
          bool member = triangle_of<SIGN>(x, y, opening, curvature).exterior_angle() <= x.number;
          inside |= uint64_t(owned && member) << w;
        };
      });
      found[group][seat] = __popcll(inside);
      __syncthreads();
      int64_t place = next;
      for (int g = 0; g < Shape::groups; ++g) {
        place += g < group ? found[g][seat] : 0;
        next += found[g][seat];
      }
      if (members != nullptr) {
        for (int64_t first = t * Shape::size + group * Shape::share; inside != 0; inside &= inside - 1) {
          members[place++] = first + __ffsll(inside) - 1;
        }
      }
      __syncthreads();
    }
    if (members == nullptr && owned && group == 0) *partial = next;
  }
}

// Turns the counts of each span into the sum of the counts before it, and writes the sum of all.
__global__ void __launch_bounds__(kThreads)
    total_counts(int64_t* partials, int64_t rows, int64_t spans, int64_t* totals) {
  for (int64_t i = blockIdx.x * int64_t(kThreads) + threadIdx.x; i < rows; i += gridDim.x * int64_t(kThreads)) {
    int64_t total = 0;
    for (int64_t s = 0; s < spans; ++s) {
      int64_t here = partials[s * rows + i];
      partials[s * rows + i] = total;
      total += here;
    }
    totals[i] = total;
  }
}

class Cones {
 public:
  Cones(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
        const Tensor& aperture, const std::vector<Tensor>& exact, Product product)
      : launch_(ux),
        x_(prepare(launch_, Cloud{ux, &rx, &aperture}.of(exact, 0), curvature, product, common_type(ux, uy))),
        y_(prepare(launch_, Cloud{uy, &ry}.of(exact, 1), curvature, product, common_type(ux, uy))),
        curvature_(curvature),
        spans_(x_.side, y_.side.count, is_wide(ux) ? Tile<double>::size : Tile<float>::size),
        partials_(scratch<int64_t>(ux, spans_.partials())) {}

  cudaStream_t stream() const { return launch_.stream(); }

  void count(int64_t* totals) const {
    run(nullptr, nullptr);
    launch_.run(total_counts, ceil_div(spans_.rows, kThreads), kThreads, 0, data<int64_t>(partials_), spans_.rows,
                spans_.count, totals);
  }

  // After `count`.
  void fill(const int64_t* crow, int64_t* members) const { run(crow, members); }

 private:
  void run(const int64_t* crow, int64_t* members) const {
    with_kind(x_.side.kind(), curvature_, [&](auto kind, auto sign) {
      constexpr Kind KIND = decltype(kind)::value;
      using T = Compute<KIND>;
      launch_.run(cones<KIND, decltype(sign)::value>, spans_.jobs, kThreads, Shared<T>::bytes, x_.side, y_.side,
                  Curvature<T>(curvature_), spans_, data<int64_t>(partials_), crow, members);
    });
  }

  Launch launch_;
  Prepared x_, y_;
  double curvature_;
  Spans spans_;
  Tensor partials_;
};

Tensor cumulative_sum(const Tensor& tensor) {
  std::array<StableIValue, 3> stack{torch::stable::detail::from(tensor), torch::stable::detail::from(int64_t(0)),
                                    torch::stable::detail::from(std::optional<ScalarType>())};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::cumsum", "", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

}  // namespace

Tensor count_cones(const Tensor& ux, const Tensor& rx, const Tensor& uy, const Tensor& ry, double curvature,
                   const Tensor& aperture, const std::vector<Tensor>& exact, int64_t product) {
  Cones cones(ux, rx, uy, ry, curvature, aperture, exact, Product(product));
  Tensor totals = empty(ux, {ux.size(0), ux.size(1)}, ScalarType::Long);
  cones.count(data<int64_t>(totals));
  return totals;
}

std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture, std::vector<Tensor> exact, int64_t product) {
  check_members(ux, rx, uy, ry, curvature, aperture, exact, product);
  Cones cones(ux, rx, uy, ry, curvature, aperture, exact, Product(product));
  int64_t rows = ux.size(1), size = 0;
  Tensor totals = zeros(ux, {rows + 1}, ScalarType::Long);
  cones.count(data<int64_t>(totals) + 1);
  Tensor crow = cumulative_sum(totals);
  check(cudaMemcpyAsync(&size, data<int64_t>(crow) + rows, sizeof size, cudaMemcpyDeviceToHost, cones.stream()));
  check(cudaStreamSynchronize(cones.stream()));
  Tensor columns = empty(ux, {size}, ScalarType::Long);
  if (size > 0) cones.fill(data<int64_t>(crow), data<int64_t>(columns));
  return {crow, columns};
}

}  // namespace hiergeo::cuda
