// A quantity of every pair, as an N x M matrix.
#include "ops.cuh"
#include "prepare.cuh"
#include "scores.cuh"

namespace hiergeo::cuda {

void store(Tensor ux, Tensor rx, Tensor uy, Tensor ry, double curvature, int64_t quantity,
           std::optional<Tensor> aperture, int64_t product, Tensor out) {
  Launch launch(ux);
  Prepared x = prepare(launch, ux, &rx, aperture ? &*aperture : nullptr, curvature, Product(product));
  Prepared y = prepare(launch, uy, &ry, nullptr, curvature, Product(product));
  int64_t size = out.element_size();
  Matrix matrix = {data<char>(out), dtype_of(out), out.stride(0) * size, out.stride(1) * size};
  Quantity wanted = Quantity(quantity);
  Law law = wanted == Quantity::distance ? Law::distance : Law::exterior_angle;
  Finish finish = wanted == Quantity::cone_margin ? Finish::margin
                  : wanted == Quantity::energy    ? Finish::energy
                                                  : Finish::plain;
  write_scores(launch, law, finish, x.side, y.side, curvature, matrix);
}

}  // namespace hiergeo::cuda
