// Vectors of the level's width, wide sums, memory and parallel loops: what every kernel file stands on.
//
// No standard library templates here or in what includes this: an instantiation compiled for one instruction set could be
// shared by the linker with another.
#pragma once

#if defined(__F16C__)
#include <immintrin.h>
#endif
#include <stddef.h>
#include <stdlib.h>

#include <new>

#include "../elementary.h"
#include "pages.h"
#include "problem.h"

#if defined(__AVX512F__)
#define HIERGEO_VECTOR_BYTES 64
#elif defined(__AVX2__)
#define HIERGEO_VECTOR_BYTES 32
#else
#define HIERGEO_VECTOR_BYTES 16
#endif

// Before a loop whose turns do not depend on each other: so many arrays meet there that compilers do not find out.
#if defined(__clang__)
#define HIERGEO_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define HIERGEO_INDEPENDENT _Pragma("GCC ivdep")
#endif

namespace hiergeo {
namespace {

template <class T> struct VectorOf;
template <> struct VectorOf<float> {
  typedef float type __attribute__((vector_size(HIERGEO_VECTOR_BYTES)));
};
template <> struct VectorOf<double> {
  typedef double type __attribute__((vector_size(HIERGEO_VECTOR_BYTES)));
};
template <class T> using Vector = typename VectorOf<T>::type;
template <class T> constexpr int kLanes = HIERGEO_VECTOR_BYTES / sizeof(T);

template <class T> HIERGEO_FN Vector<T> load(const T* from) {
  Vector<T> v;
  memcpy(&v, from, sizeof v);
  return v;
}
template <class T> HIERGEO_FN void save(T* to, Vector<T> v) { memcpy(to, &v, sizeof v); }

// Eight doubles at a time, whatever the level's width: the unit of wide sums.
typedef double Wide __attribute__((vector_size(64)));

HIERGEO_FN Wide widened(const double* from) {
  Wide v;
  memcpy(&v, from, sizeof v);
  return v;
}
HIERGEO_FN Wide widened(const float* from) {
#if defined(__AVX512F__)
  return _mm512_cvtps_pd(_mm256_loadu_ps(from));
#endif
  typedef float Narrow __attribute__((vector_size(32)));
  Narrow v;
  memcpy(&v, from, sizeof v);
  return __builtin_convertvector(v, Wide);
}
HIERGEO_FN double total(Wide v) { return ((v[0] + v[4]) + (v[2] + v[6])) + ((v[1] + v[5]) + (v[3] + v[7])); }

HIERGEO_FN int64_t rounded_up(int64_t n, int64_t unit) { return (n + unit - 1) / unit * unit; }

// How memory is mapped: `sparse` for megabytes of which few are written.
enum class Pages { huge, sparse };

// Uninitialised numbers on cache-line boundaries; `kSlack` readable bytes follow the last.
template <class T> class Buffer {
 public:
  explicit Buffer(int64_t count, Pages pages = Pages::huge) : bytes_(rounded_up(int64_t(sizeof(T)) * count + kSlack, 64)) {
    block_ = bytes_ >= kBlockFrom && pages == Pages::huge;
    data_ = static_cast<T*>(block_ ? take_block(bytes_) : aligned_alloc(64, size_t(bytes_)));
    if (!data_) throw std::bad_alloc();
  }
  ~Buffer() { block_ ? give_block(data_, bytes_) : free(data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  T* data() { return data_; }
  const T* data() const { return data_; }
  T& operator[](int64_t i) { return data_[i]; }
  const T& operator[](int64_t i) const { return data_[i]; }

 private:
  static constexpr int64_t kSlack = 256;
  int64_t bytes_;
  bool block_;
  T* data_;
};

// A few objects that cannot be moved, made one after the other.
template <class T> class Series {
 public:
  explicit Series(int64_t capacity) : memory_(capacity * int64_t(sizeof(T))) {}
  ~Series() {
    while (size_ > 0) (*this)[--size_].~T();
  }
  template <class... Arguments> void add(Arguments&&... arguments) {
    new (memory_.data() + size_ * int64_t(sizeof(T))) T(static_cast<Arguments&&>(arguments)...);
    ++size_;
  }
  int64_t size() const { return size_; }
  T& operator[](int64_t i) { return reinterpret_cast<T*>(memory_.data())[i]; }
  const T& operator[](int64_t i) const { return reinterpret_cast<const T*>(memory_.data())[i]; }

 private:
  Buffer<char> memory_;
  int64_t size_ = 0;
};

// Calls body(begin, end) on parts of [0, count).
template <class Body> inline void for_each(int64_t count, int64_t grain, Body& body, ParallelFor parallel) {
  auto call = [](void* context, int64_t begin, int64_t end) { (*static_cast<Body*>(context))(begin, end); };
  if (count > 0) parallel(count, grain, call, &body);
}

}  // namespace
}  // namespace hiergeo
