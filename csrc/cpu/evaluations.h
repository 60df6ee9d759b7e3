// The quantities of a pair, each a loop over a row that the compiler turns into vector code.
#pragma once

#include "sweep.h"

namespace hiergeo {
namespace {

struct ExteriorAngle {
  template <class T, int SIGN> static HIERGEO_FN T of(const Triangle<T, SIGN>& t, T) { return t.exterior_angle(); }
};

struct Distance {
  template <class T, int SIGN> static HIERGEO_FN T of(const Triangle<T, SIGN>& t, T) { return t.distance(); }
};

struct ConeMargin {
  template <class T, int SIGN> static HIERGEO_FN T of(const Triangle<T, SIGN>& t, T aperture) {
    return aperture - t.exterior_angle();
  }
};

struct Energy {
  template <class T, int SIGN> static HIERGEO_FN T of(const Triangle<T, SIGN>& t, T aperture) {
    T outside = t.exterior_angle() - aperture;
    return outside < 0 ? T(0) : outside;
  }
};

template <class Value, class T, int SIGN> inline void evaluate(const RowOfPairs<T>& row, T* values) {
  const bool near_end = anchored_at_end(row.point, row.scale);
  const RowOfPairs<T> pairs = row;
  if (near_end) {
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < pairs.n; ++j) values[j] = Value::of(pairs.template triangle<SIGN>(j, true), pairs.number);
  } else {
    HIERGEO_INDEPENDENT
    for (int64_t j = 0; j < pairs.n; ++j) values[j] = Value::of(pairs.template triangle<SIGN>(j, false), pairs.number);
  }
}

template <class Value, class T> inline Evaluation<T> by_sign(double curvature) {
  return curvature < 0 ? evaluate<Value, T, -1> : curvature > 0 ? evaluate<Value, T, 1> : evaluate<Value, T, 0>;
}

template <class T> inline Evaluation<T> evaluation_of(Quantity quantity, double curvature) {
  switch (quantity) {
    case Quantity::exterior_angle: return by_sign<ExteriorAngle, T>(curvature);
    case Quantity::distance:
    case Quantity::distance_l1: return by_sign<Distance, T>(curvature);
    case Quantity::cone_margin: return by_sign<ConeMargin, T>(curvature);
    case Quantity::energy: break;
  }
  return by_sign<Energy, T>(curvature);
}

// What evaluates a quantity in each factor.
template <class T> class Evaluations {
 public:
  Evaluations(const Factors& factors, Quantity quantity) : by_factor_(factors.count) {
    for (int64_t f = 0; f < factors.count; ++f) by_factor_[f] = evaluation_of<T>(quantity, factors[f].curvature);
  }
  operator const Evaluation<T>*() const { return by_factor_.data(); }

 private:
  Buffer<Evaluation<T>> by_factor_;
};

}  // namespace
}  // namespace hiergeo
