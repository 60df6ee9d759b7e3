// A quantity of every pair, as an N x M matrix.
#include "factors.cuh"
#include "ops.cuh"

namespace hiergeo::cuda {

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

}  // namespace hiergeo::cuda
