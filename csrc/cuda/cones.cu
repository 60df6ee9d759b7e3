// Which y lie in the cone of each x: how many, and which, as CSR in ascending order.
#include "ops.cuh"
#include "spans.cuh"

namespace hiergeo::cuda {
namespace {

// One kernel counts and fills, so that both decide every pair by the very same instructions. Without `members` it
// writes how many members each row has in the span; with them `partials` holds how many it has in the spans before, and
// `crow` where the row begins.
__global__ void __launch_bounds__(kThreads, 2)
    cones(const __grid_constant__ Side rows, const __grid_constant__ Side columns, Curvature curvature,
          const __grid_constant__ Spans spans, int64_t* partials, const int64_t* crow, int64_t* members) {
  HIERGEO_DYNAMIC_SHARED(memory);
  __shared__ int found[Seats::groups][Seats::size];
  int seat = threadIdx.x % Seats::size, group = threadIdx.x / Seats::size;
  for (int64_t job = blockIdx.x; job < spans.jobs; job += gridDim.x) {
    Span span(spans, job);
    int64_t i = span.row + seat;
    bool owned = i < rows.count;
    int64_t* partial = partials + span.partial(spans, rows, i);
    int64_t next = owned && members != nullptr ? crow[i] + *partial : 0;
    for (int64_t t = span.begin; t < span.end; ++t) {
      uint64_t inside = 0;  // bit w: walker w of this group's share
      visit_tile(memory, rows, columns, {span.batch, span.row, t * Seats::size}, curvature, [&](auto sign, const Seat&) {
        return [&](int w, const Point& y, const Point& x, Opening<float> opening) {
          auto triangle = triangle_of<decltype(sign)::value>(x, y, opening, curvature);
          bool member = triangle.exterior_angle() <= x.number;
          inside |= uint64_t(owned && member) << w;
        };
      });
      found[group][seat] = __popcll(inside);
      __syncthreads();
      int64_t place = next;
      for (int g = 0; g < Seats::groups; ++g) {
        place += g < group ? found[g][seat] : 0;
        next += found[g][seat];
      }
      if (members != nullptr) {
        for (int64_t first = t * Seats::size + group * Seats::share; inside != 0; inside &= inside - 1) {
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
  explicit Cones(const SpaceOperands& of)
      : launch_(of.ux),
        x_(of.x(launch_)),
        y_(of.y(launch_)),
        curvature_(of.curvature),
        spans_(x_.side, y_.side.count),
        partials_(scratch<int64_t>(of.ux, spans_.partials())) {}

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
    launch_.run(cones, spans_.jobs, kThreads, Shared::bytes, x_.side, y_.side, curvature_, spans_,
                data<int64_t>(partials_), crow, members);
  }

  Launch launch_;
  Prepared x_, y_;
  Curvature curvature_;
  Spans spans_;
  Tensor partials_;
};

Tensor cumulative_sum(const Tensor& tensor) {
  std::array<StableIValue, 3> stack{torch::stable::detail::from(tensor), torch::stable::detail::from(int64_t(0)),
                                    torch::stable::detail::from(std::optional<ScalarType>())};
  TORCH_ERROR_CODE_CHECK(torch_call_dispatcher("aten::cumsum", "", stack.data(), TORCH_ABI_VERSION));
  return torch::stable::detail::to<Tensor>(stack[0]);
}

// Waits for the device once: the number of members decides the size of the result.
std::tuple<Tensor, Tensor> members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, Tensor aperture,
                                   std::vector<Tensor> exact, int64_t product) {
  check_members(ux, rx, uy, ry, curvature, aperture, exact, product);
  const Cones cones({ux, rx, uy, ry, curvature, &aperture, exact, Product(product)});
  int64_t rows = ux.size(1), size = 0;
  Tensor totals = filled(ux, {rows + 1}, ScalarType::Long, 0);
  cones.count(data<int64_t>(totals) + 1);
  Tensor crow = cumulative_sum(totals);
  check(cudaMemcpyAsync(&size, data<int64_t>(crow) + rows, sizeof size, cudaMemcpyDeviceToHost, cones.stream()));
  check(cudaStreamSynchronize(cones.stream()));
  Tensor columns = empty(ux, {size}, ScalarType::Long);
  if (size > 0) cones.fill(data<int64_t>(crow), data<int64_t>(columns));
  return {crow, columns};
}

}  // namespace

Tensor count_cones(const SpaceOperands& of) {
  Tensor totals = empty(of.ux, {of.ux.size(0), of.ux.size(1)}, ScalarType::Long);
  Cones(of).count(data<int64_t>(totals));
  return totals;
}

}  // namespace hiergeo::cuda

STABLE_TORCH_LIBRARY_IMPL(hiergeo_native, HIERGEO_DISPATCH_KEY, m) { m.impl("members", TORCH_BOX(&hiergeo::cuda::members)); }
