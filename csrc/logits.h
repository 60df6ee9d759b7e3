// Logits of pairs, made of distances, and what they are reduced by, once for host and device.
#pragma once

#include "cpu/problem.h"
#include "elementary.h"

namespace hiergeo {
namespace {

// z = bias - scale m, where m is a distance d or d^2 / 2.
template <class T> struct Logit {
  T scale, bias;
  bool squared;

  explicit HIERGEO_FN Logit(const Logits& of) : scale(T(of.scale)), bias(T(of.bias)), squared(of.squared) {}

  HIERGEO_FN T measure(T distance) const { return squared ? distance * distance / 2 : distance; }
  HIERGEO_FN T of(T measured) const { return bias - scale * measured; }
  // dz/dd.
  HIERGEO_FN T slope(T distance) const { return squared ? -scale * distance : -scale; }
};

// log(1 + exp(z)), and its derivative.
template <class T> HIERGEO_FN T softplus(T z) {
  T beyond = exponential(-magnitude(z)), whole = 1 + beyond;
  return (z < 0 ? T(0) : z) + logarithm(whole, (beyond - (whole - 1)) / whole);
}
template <class T> HIERGEO_FN T sigmoid(T z) {
  T beyond = exponential(-magnitude(z));
  return (z < 0 ? beyond : T(1)) / (1 + beyond);
}

}  // namespace
}  // namespace hiergeo
