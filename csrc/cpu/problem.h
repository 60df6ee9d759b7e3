// What the kernels are asked: plain views of checked tensors, shared by the operators and every instruction set level.
#pragma once

#include <stdint.h>

namespace hiergeo {

enum class Dtype { float32, float64, bfloat16, float16 };

// Of one space; in a product of spaces distances of the factors combine by the l2 or the l1 norm, margins by the least.
enum class Quantity { exterior_angle, distance, cone_margin, energy, distance_l1 };

constexpr bool is_distance(Quantity quantity) { return quantity == Quantity::distance || quantity == Quantity::distance_l1; }

// Whether the half aperture at x enters.
constexpr bool is_conic(Quantity quantity) { return quantity == Quantity::cone_margin || quantity == Quantity::energy; }

// How rows are multiplied: by our own code in full precision; by torch's product, which CPU kernels heed; in TF32, which
// CUDA kernels heed for float32 rows. What does not heed one takes its own code.
enum class Product { own, torch, tf32 };

// Rows of one matrix; the numbers of a row are adjacent, rows are `stride` numbers apart.
struct Rows {
  const void* data;
  Dtype dtype;
  int64_t count, width, stride;
};

// Vectors as they were given, less a common origin in double. `data` is null where there are none.
struct Exact {
  Rows rows;
  const double* origin;
};

// Points in 8 bits (shadow.h): bytes + 128, `stride` a row, and kShadowNumbers arrays of `count` numbers: radial statistics
// (side.h), the scale of a row, and the relative norm of what rounding left over. Null where there are none.
constexpr int64_t kShadowNumbers = 16;
struct Shadow {
  uint8_t* rows;
  float* numbers;
  int64_t stride, count;
};

// Points in polar form; `radius` may be null where only directions matter. `number` is what the operation takes per point
// beside the radius: the half aperture of x, or what is subtracted from the angle for y; null where there is none. `norm`, the
// Euclidean norms of the directions; null if they are not known yet. `exact`, what directions were rounded from: vectors as long
// as the radii. `shadow`, the same in 8 bits, with the statistics of one curvature.
struct Points {
  Rows direction;
  const double* radius;
  const double* number;
  const double* norm = nullptr;
  Exact exact = {};
  Shadow shadow = {};
};

struct Pairs {
  Points x, y;
  double curvature;
  Product product;
};

// The factors of a product of spaces: as many points in each, numbers of one width. One where there is no product.
struct Factors {
  const Pairs* first;
  int64_t count;

  const Pairs& operator[](int64_t f) const { return first[f]; }
};

// An N x M matrix that is written; columns are adjacent.
struct Output {
  void* data;
  Dtype dtype;
  int64_t stride;
};

// An N x M matrix that is read, any strides.
struct Upstream {
  const void* data;
  int64_t row_stride, column_stride;
};

// What a sum over all pairs adds up (loss.h): energies, or with `hinge` what they lack of a margin.
struct LossKind {
  bool hinge;
  double margin;
};

// Logits bias - scale d of distances d, or with `squared` bias - scale d^2 / 2, and how those of a row or of a column become one:
// by their logsumexp, or by the sum of their softplus. Pairs of equal labels match; null where no sums of them are wanted.
struct Logits {
  double scale, bias;
  bool squared, softplus;
  const int64_t *x_label, *y_label;
};

// A number for each x and for each y: what logits are reduced to, and the sums of those of matching pairs; or gradients by them.
struct Contrast {
  double *rows, *columns, *matched_rows, *matched_columns;
};

// Gradients, contiguous, in the compute dtype; `number` and `curvature` in double.
struct Gradients {
  void *x_direction, *x_radius, *y_direction, *y_radius;
  double* x_number;
  double* curvature;
};

// Calls body(context, begin, end) on parts of [0, count), possibly on several threads; returns when all are done.
using ParallelFor = void (*)(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context);

// How many threads that may be.
int64_t threads();

// A matrix of numbers of one dtype that lies anywhere.
struct Strided {
  const void* data;
  int64_t rows, columns, row_stride, column_stride;
};

// c (+)= a b by torch's product; rows of c are `c_stride` numbers apart. For float32 and float64.
void torch_product(Dtype dtype, const Strided& a, const Strided& b, void* c, int64_t c_stride, bool add);

// A ranking of positives and negatives under `samples` weights of their rows.
struct Weighings {
  const int32_t* item;  // best first: 4 * row + 2 if it is a positive + 1 if it is the last of its score
  int64_t items;
  const double *positive, *negative;  // (samples, positives) and (samples, negatives), the same where they share their rows
  int64_t positives, negatives, samples;
  double chance;  // the value where no pair has a weight
  double* values;
};

// The operations of one instruction set level.
struct Level {
  const char* name;
  void (*store)(const Factors&, Quantity, Output, ParallelFor);
  void (*backward)(const Pairs&, Quantity, Upstream, Gradients, ParallelFor);
  // Counts and sums are added to what is there; minima replace what is larger. Margins >= 0 are counted, or distances within
  // the reach of a row.
  void (*count)(const Factors&, int64_t* counts, ParallelFor);
  void (*count_within)(const Factors&, Quantity, const double* reach, int64_t* counts, ParallelFor);
  // Writes the members of row i from columns[next[i]] on and moves next[i] past them.
  void (*members)(const Pairs&, int64_t* columns, int64_t* next, ParallelFor);
  void (*energy_sum)(const Pairs&, double* sums, ParallelFor);
  // The sum of a loss over all pairs, alone or with its gradients.
  void (*energy_total)(const Pairs&, LossKind, double* total, ParallelFor);
  void (*energy_gradients)(const Pairs&, LossKind, double* total, Gradients, ParallelFor);
  void (*energy_min)(const Pairs&, void* values, int64_t* indices, ParallelFor);
  // Sums of matching logits are added to what is there.
  void (*contrast)(const Factors&, Quantity, const Logits&, Contrast to, ParallelFor);
  void (*contrast_gradients)(const Pairs&, const Logits&, Contrast found, Contrast upstream, Gradients, double* scale,
                             double* bias, ParallelFor);
  // Whether shadows are multiplied here; if so, writes that of the points.
  bool (*shade)(const Points&, double curvature, Shadow to, ParallelFor);
  // Searches by what is to be small: an angle, a distance or the negative of a margin. With `swap` y is the apex.
  void (*smallest)(const Factors&, Quantity, bool swap, int64_t k, void* values, int64_t* indices, ParallelFor);
  void (*rank)(const Factors&, Quantity, bool swap, const int64_t* target, int64_t* ranks, ParallelFor);
  void (*nearest_ladder)(const Factors&, Quantity, const int64_t* order, const int64_t* ends, int64_t thresholds,
                         int64_t* indices, void* distances, ParallelFor);
  void (*ladder)(const Points& queries, const Points& candidates, const int64_t* order, const int64_t* ends,
                 int64_t thresholds, int64_t* indices, void* cosines, Product, ParallelFor);
  // The area under the ROC curve, or the average precision.
  void (*weigh)(const Weighings&, bool precision, ParallelFor);
  // For benchmarks: multiply-adds on registers; returns the number of operations.
  double (*multiply_adds)(int64_t repeats);
};

extern const Level kBaseline;
#if defined(__x86_64__)
extern const Level kAvx2;
extern const Level kAvx512;
#endif

}  // namespace hiergeo
