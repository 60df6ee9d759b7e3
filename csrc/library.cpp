// The schemas of the native operators. hiergeo.pairwise flattens batches and makes operands ready; operands.h checks them.
#include <torch/csrc/stable/library.h>

STABLE_TORCH_LIBRARY(hiergeo_native, m) {
  m.def(
      "store(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, int quantity, Tensor? aperture, int product,"
      " Tensor(a!) out) -> ()");
  m.def(
      "backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, int quantity,"
      " Tensor? aperture, int product) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def("count(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, int product) -> Tensor");
  m.def(
      "members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, int product)"
      " -> (Tensor, Tensor)");
  m.def(
      "smallest(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor? offset, int k, bool swap, int product)"
      " -> (Tensor, Tensor)");
  m.def("energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, int product) -> Tensor");
  m.def(
      "energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, int product)"
      " -> (Tensor, Tensor)");
  m.def("ladder(Tensor queries, Tensor candidates, Tensor order, Tensor ends, int product) -> Tensor");
  m.def("simd_level() -> str");
  m.def("fma_peak(int repeats) -> float");
}
