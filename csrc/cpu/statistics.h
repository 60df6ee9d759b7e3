// What the law needs of many points, one array a number, and the scaling of rows of any length.
#pragma once

#include "../pair_math.h"
#include "rows.h"

namespace hiergeo {
namespace {

// Radial statistics of many points as one array a number, so that loops over points load whole vectors.
template <class T> class Statistics {
 public:
  static constexpr int kFields = 14;

  explicit Statistics(int64_t count)
      : own_stride_(rounded_up(count, 64)), own_(own_stride_ * kFields), norms_(own_stride_) {
    look_at_own();
  }

  // From here on others, `stride` numbers apart, which are only read and have no norms in double.
  void look_at(T* fields, int64_t stride) {
    fields_ = fields;
    stride_ = stride;
  }
  void look_at_own() { look_at(own_.data(), own_stride_); }
  const T* fields() const { return fields_; }

  HIERGEO_FN Radial<T> at(int64_t i) const {
    const T* f = fields_ + i;
    const int64_t s = stride_;
    return {f[0], f[s], f[2 * s], f[3 * s], {f[4 * s], f[5 * s]}, f[6 * s], f[7 * s], f[8 * s], f[9 * s]};
  }
  // 1 / |scaled copy|, by which products of copies become cosines; 0 for a zero row, NaN for one that is not finite.
  const T* inverse() const { return fields_ + 10 * stride_; }
  // The number that the operation takes per point; 0 where it takes none.
  const T* number() const { return fields_ + 11 * stride_; }
  // Half the squared norm of what is multiplied, in units of `inverse`, and the norm: 1/2 and 1 where it is not centred.
  const T* half() const { return fields_ + 12 * stride_; }
  const T* span() const { return fields_ + 13 * stride_; }
  // 1 / |row| in double for the rows that repairs read: those of x as `exact_row` gives them, the original rows of y.
  const double* exact_inverse() const { return norms_.data(); }

  void set(int64_t i, const Radial<T>& p, double inverse, double exact_inverse, double number) {
    const T values[kFields] = {p.radius, p.radius_low, p.sine, p.sine_low, p.end.hi, p.end.lo, p.cosine,
                               p.shrink, p.log_cosh, p.bow, T(inverse), T(number), T(0.5), T(1)};
    for (int f = 0; f < kFields; ++f) fields_[f * stride_ + i] = values[f];
    norms_[i] = exact_inverse;
  }
  // For a centred copy, by the squared norm of that.
  void set_centred(int64_t i, double squares) {
    fields_[10 * stride_ + i] = T(1);
    fields_[12 * stride_ + i] = T(squares / 2);
    fields_[13 * stride_ + i] = T(sqrt(squares));
  }

 private:
  int64_t own_stride_, stride_;
  Buffer<T> own_;
  Buffer<double> norms_;
  T* fields_;
};

struct Scaling {
  double factor;   // a power of two that brings the norm near 1, so that products neither overflow nor vanish
  double inverse;  // 1 / (norm * factor)
};

// Powers of two between 2^-kMostPower and 2^kMostPower are normal numbers, and so are rows that they scale.
template <class T> constexpr int kMostPower = sizeof(T) == sizeof(float) ? 126 : 1000;

template <class T> inline double power_near(double size) {
  int exponent;
  frexp(size, &exponent);
  return ldexp(1, -smaller(larger(exponent, -kMostPower<T>), kMostPower<T>));
}

// For rows of doubles whose squares leave the range of doubles.
template <class T> inline Scaling far_scaling_of(const T* row, int64_t width) {
  double largest = 0, squares = 0;
  for (int64_t k = 0; k < width; ++k) largest = larger(largest, fabs(double(row[k])));
  if (largest == 0) return {1, 0};
  const double factor = power_near<T>(largest);
  for (int64_t k = 0; k < width; ++k) squares += (row[k] * factor) * (row[k] * factor);
  return {factor, squares < HUGE_VAL ? 1 / sqrt(squares) : static_cast<double>(NAN)};
}

template <class T> inline Scaling scaling_of(const T* row, int64_t width) {
  const double squares = squared_norm(row, width);
  if (squares != squares) return {1, squares};  // a NaN in the row
  if (!(squares > 0x1p-900 && squares < 0x1p900)) return far_scaling_of(row, width);
  const double norm = sqrt(squares), factor = power_near<T>(norm);
  return {factor, 1 / (norm * factor)};
}

// The same of point i, by its norm where that is known.
template <class T> inline Scaling scaling_of(const Points& points, int64_t i, const T* row) {
  if (!points.norm) return scaling_of(row, points.direction.width);
  const double norm = points.norm[i], factor = power_near<T>(norm);
  return {factor, norm == 0 ? 0 : norm < HUGE_VAL ? 1 / (norm * factor) : static_cast<double>(NAN)};
}

// The radial statistics in T; from long double where T is double, so that positions keep a low part.
HIERGEO_FN Radial<float> statistics_of(float, double radius, double curvature) {
  return radial<float, double>(radius, curvature);
}
HIERGEO_FN Radial<double> statistics_of(double, double radius, double curvature) {
  return radial<double, long double>(radius, curvature);
}

template <class T>
inline void describe(const Points& points, int64_t i, double curvature, const Scaling& scaling, double exact_inverse,
                     Statistics<T>& statistics, int64_t slot) {
  Radial<T> radial = statistics_of(T(), points.radius ? points.radius[i] : 0, points.radius ? curvature : 0);
  statistics.set(slot, radial, scaling.inverse, exact_inverse, points.number ? points.number[i] : 0);
}

}  // namespace
}  // namespace hiergeo
