// The schemas of the native operators. hiergeo.pairwise flattens batches and makes operands ready; operands.h checks them. What
// the operators do is said by hiergeo.pairwise.interface.
#include <torch/csrc/stable/library.h>

// One entry for each factor of a product of spaces; no apertures where the quantity has none. The directions of x and of y
// may differ in dtype, as long as both are float64 or neither is. `exact` is what the directions were rounded from: no
// tensors, or the vectors of x in every factor, those of y, and the origin (D,) float64 of each; vectors less their origin
// are as long as the radii.
#define HIERGEO_FACTORS "Tensor[] ux, Tensor[] rx, Tensor[] uy, Tensor[] ry, float[] curvature, Tensor[] aperture, Tensor[] exact, int quantity"

// A scale and a bias for each problem; integers of rows and of columns that say what matches, or nothing.
#define HIERGEO_LOGITS "Tensor scale, Tensor bias, Tensor? labels_x, Tensor? labels_y, bool squared, bool softplus"

STABLE_TORCH_LIBRARY(hiergeo_native, m) {
  m.def("store(" HIERGEO_FACTORS ", int product, Tensor(a!) out) -> ()");
  m.def(
      "backward(Tensor upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, int quantity,"
      " Tensor? aperture, Tensor[] exact, int product) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def("count(" HIERGEO_FACTORS ", Tensor? reach, int product) -> Tensor");
  m.def(
      "members(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, Tensor[] exact, int product)"
      " -> (Tensor, Tensor)");
  m.def("smallest(" HIERGEO_FACTORS ", int k, bool swap, int product) -> (Tensor, Tensor)");
  // Of one problem: bytes (M, D up to a multiple of 64) and numbers (16, M likewise); no rows where they would not be read.
  m.def("shadow(Tensor uy, Tensor ry, float curvature) -> (Tensor, Tensor)");
  m.def("smallest_among(" HIERGEO_FACTORS ", Tensor[] rows, Tensor[] numbers, int k, bool swap, int product) -> (Tensor, Tensor)");
  m.def("rank(" HIERGEO_FACTORS ", Tensor target, bool swap, int product) -> Tensor");
  m.def("nearest_ladder(" HIERGEO_FACTORS ", Tensor order, Tensor ends, int product) -> (Tensor, Tensor)");
  m.def("energy_sum(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, Tensor[] exact, int product) -> Tensor");
  m.def(
      "energy_total(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, Tensor[] exact, float? margin,"
      " bool gradients, int product) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "energy_min(Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature, Tensor aperture, Tensor[] exact, int product)"
      " -> (Tensor, Tensor)");
  m.def("contrast(" HIERGEO_FACTORS ", " HIERGEO_LOGITS ", int product) -> (Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "contrast_backward(Tensor rows, Tensor columns, Tensor[] upstream, Tensor ux, Tensor rx, Tensor uy, Tensor ry, float curvature,"
      " Tensor[] exact, " HIERGEO_LOGITS ", int product) -> (Tensor, Tensor, Tensor, Tensor, Tensor, Tensor, Tensor)");
  m.def(
      "ladder(Tensor queries, Tensor candidates, Tensor? norms, Tensor order, Tensor ends, int product)"
      " -> (Tensor, Tensor)");
  // Items, best first: 4 * row + 2 if it is a positive + 1 if it is the last of its score. Weights (samples, rows) of the positives and
  // of the negatives, the same tensor where these share their rows -> (samples,): the area under the ROC curve, or the average precision.
  m.def("weigh(Tensor items, Tensor positive, Tensor negative, bool precision, float chance) -> Tensor");
  m.def("simd_level() -> str");
  m.def("fma_peak(int repeats) -> float");
}
