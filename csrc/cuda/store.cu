// A quantity of every pair, as an N x M matrix.
#include "ops.cuh"
#include "prepare.cuh"
#include "scores.cuh"

namespace hiergeo::cuda {

void store(std::vector<Tensor> ux, std::vector<Tensor> rx, std::vector<Tensor> uy, std::vector<Tensor> ry,
           std::vector<double> curvature, std::vector<Tensor> aperture, int64_t quantity, int64_t product, Tensor out) {
  STD_TORCH_CHECK(ux.size() == 1, "products of spaces have no kernels on CUDA");
  Launch launch(ux[0]);
  Prepared x = prepare(launch, ux[0], &rx[0], aperture.empty() ? nullptr : &aperture[0], curvature[0], Product(product));
  Prepared y = prepare(launch, uy[0], &ry[0], nullptr, curvature[0], Product(product));
  int64_t size = out.element_size();
  Matrix matrix = {data<char>(out), dtype_of(out), out.stride(0) * size, out.stride(1) * size};
  Quantity wanted = Quantity(quantity);
  Law law = is_distance(wanted) ? Law::distance : Law::exterior_angle;
  Finish finish = wanted == Quantity::cone_margin ? Finish::margin
                  : wanted == Quantity::energy    ? Finish::energy
                                                  : Finish::plain;
  write_scores(launch, law, finish, x.side, y.side, curvature[0], matrix);
}

}  // namespace hiergeo::cuda
