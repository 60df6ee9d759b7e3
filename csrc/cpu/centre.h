// Points around a common direction: what is multiplied is how far they are from it, which leaves few pairs to be repaired.
//
// With unit rays u = m + d, 1 - cos(theta) = |u_x - u_y|^2/2 = |d_x|^2/2 + |d_y|^2/2 - <d_x, d_y>, whatever m is, as long as both
// sides have the same. The rounding of the product is gamma |d_x| |d_y| <= gamma (|d_x|^2 + |d_y|^2)/2 with gamma <= D eps/2, not
// gamma: so 1 - cos keeps its relative precision down to a share of (|d_x|^2 + |d_y|^2)/2 rather than of 1. The copies are d
// rounded: an error of eps/2 of |d|, which moves |d_x - d_y| by at most eps/2 (|d_x| + |d_y|), no more than the product does.
// Where m = 0 all this is what it was: |d| = 1 and 1 - cos = 1/2 + 1/2 - <u_x, u_y>.
#pragma once

#include "rows.h"

namespace hiergeo {
namespace {

// Points are centred where 1 - <m_x, m_y> of the mean rays of both sides, which is that of the average pair, is less than this.
constexpr double kCentreBelow = 0.25;

// So many points of a side, spread over all of it, stand for the others.
constexpr int64_t kCentreSample = 32;

// The mean of the unit rays of a sample.
template <class T> class MeanRay {
 public:
  explicit MeanRay(const Rows& rows) : width_(rows.width), sums_(rows.width) {
    Buffer<T> scratch(width_);
    for (int64_t k = 0; k < width_; ++k) sums_[k] = 0;
    const int64_t sample = smaller(rows.count, kCentreSample);
    for (int64_t s = 0; s < sample; ++s) {
      const T* row = row_of(rows, s * rows.count / sample, scratch.data());
      const double squares = squared_norm(row, width_);
      const double inverse = squares > 0 && squares < HUGE_VAL ? 1 / sqrt(squares) / double(sample) : 0;
      for (int64_t k = 0; inverse > 0 && k < width_; ++k) sums_[k] += row[k] * inverse;
    }
  }
  double operator[](int64_t k) const { return sums_[k]; }

 private:
  int64_t width_;
  Buffer<double> sums_;
};

// What is subtracted from the unit rays of both sides, if anything: float32 alone needs it.
template <class T> class Centre {
 public:
  Centre(const Rows& x, const Rows& y, bool wanted) : ray_(wanted ? x.width : 0), found_(false) {
    if (!wanted || sizeof(T) > sizeof(float)) return;
    const MeanRay<T> of_x(x), of_y(y);
    double cosine = 0;
    for (int64_t k = 0; k < x.width; ++k) cosine += of_x[k] * of_y[k];
    found_ = 1 - cosine < kCentreBelow;
    for (int64_t k = 0; k < x.width; ++k) ray_[k] = (of_x[k] + of_y[k]) / 2;
  }

  // The common ray, null where there is none.
  const double* ray() const { return found_ ? ray_.data() : nullptr; }

 private:
  Buffer<double> ray_;
  bool found_;
};

// to[k] = row[k] * scale - centre[k].
template <class T> inline void centred(const T* row, double scale, const double* centre, int64_t width, T* to) {
  for (int64_t k = 0; k < width; ++k) to[k] = T(row[k] * scale - centre[k]);
}

}  // namespace
}  // namespace hiergeo
