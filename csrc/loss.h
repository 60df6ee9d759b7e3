// What a sum over all pairs adds up, and its derivative by the exterior angle, once for host and device: the energy
// max(0, angle - aperture), or with a margin what a pair lacks of it, max(0, margin - energy).
#pragma once

#include "cpu/problem.h"
#include "elementary.h"

namespace hiergeo {
namespace {

// A value is NaN where the angle or the aperture is, a slope 0.
template <class T> struct Loss {
  bool hinge;
  T margin;

  explicit HIERGEO_FN Loss(LossKind kind) : hinge(kind.hinge), margin(T(kind.margin)) {}

  HIERGEO_FN T value(T angle, T aperture) const {
    T outside = angle - aperture, energy = outside < 0 ? T(0) : outside;
    T lack = margin - energy;
    lack = lack < 0 ? T(0) : lack;
    return hinge ? lack : energy;
  }
  HIERGEO_FN T slope(T angle, T aperture) const {
    T outside = angle - aperture, beyond = outside < margin ? T(-1) : T(0);
    T slope = hinge ? beyond : T(1);
    return outside > 0 ? slope : T(0);
  }
};

}  // namespace
}  // namespace hiergeo
