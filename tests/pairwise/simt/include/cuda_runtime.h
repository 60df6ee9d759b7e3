// The part of CUDA that the kernels use, for host C++.
#pragma once

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "simt.h"

#define __host__
#define __device__
#define __global__
#define __shared__ static
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __grid_constant__
#define __align__(bytes) alignas(bytes)
#define SIMT_UNCHECKED __attribute__((no_sanitize_thread))

// Constant for a thread, whoever runs between two reads of it.
extern const simt::Index threadIdx __asm__("simt_thread_index");
extern const simt::Index blockIdx __asm__("simt_block_index");
extern const simt::Index blockDim __asm__("simt_block_size");
extern const simt::Index gridDim __asm__("simt_grid_size");

struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(8) int2 {
  int x, y;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};

struct dim3 : simt::Index {
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : simt::Index{x, y, z} {}
};

using simt_where = simt::Where;

inline void __syncthreads(simt_where where = simt_where::here()) { simt::meet_block(0, where); }
inline int __syncthreads_count(int predicate, simt_where where = simt_where::here()) {
  return simt::meet_block(predicate != 0, where);
}
inline int __syncthreads_or(int predicate, simt_where where = simt_where::here()) {
  return simt::meet_block(predicate != 0, where) != 0;
}
inline int __syncthreads_and(int predicate, simt_where where = simt_where::here()) {
  return simt::meet_block(predicate == 0, where) == 0;
}
inline void __syncwarp(unsigned mask = 0xffffffffu, simt_where where = simt_where::here()) {
  simt::meet_warp(mask, where);
}
inline unsigned __ballot_sync(unsigned mask, int predicate, simt_where where = simt_where::here()) {
  return simt::ballot(mask, predicate != 0, where);
}
inline int __any_sync(unsigned mask, int predicate, simt_where where = simt_where::here()) {
  return simt::ballot(mask, predicate != 0, where) != 0;
}
inline int __all_sync(unsigned mask, int predicate, simt_where where = simt_where::here()) {
  return simt::ballot(mask, predicate == 0, where) == 0;
}

namespace simt {
template <class To, class From> To bits_as(From from) {
  To to = {};
  memcpy(&to, &from, sizeof(to) < sizeof(from) ? sizeof(to) : sizeof(from));
  return to;
}
template <class T> T shuffle_value(unsigned mask, T value, int from, Where where) {
  static_assert(sizeof(T) <= 8, "a shuffle moves up to eight bytes");
  return bits_as<T>(shuffle(mask, bits_as<uint64_t>(value), from, where));
}
inline int lane() { return int(threadIdx.x % 32); }
}  // namespace simt

template <class T> T __shfl_sync(unsigned mask, T value, int from, int width = 32, simt_where where = simt_where::here()) {
  return simt::shuffle_value(mask, value, simt::lane() / width * width + from % width, where);
}
template <class T> T __shfl_xor_sync(unsigned mask, T value, int reach, simt_where where = simt_where::here()) {
  return simt::shuffle_value(mask, value, simt::lane() ^ reach, where);
}
template <class T> T __shfl_up_sync(unsigned mask, T value, unsigned distance, simt_where where = simt_where::here()) {
  int from = simt::lane() - int(distance);
  return simt::shuffle_value(mask, value, from < 0 ? simt::lane() : from, where);
}
template <class T> T __shfl_down_sync(unsigned mask, T value, unsigned distance, simt_where where = simt_where::here()) {
  int from = simt::lane() + int(distance);
  return simt::shuffle_value(mask, value, from > 31 ? simt::lane() : from, where);
}

// Threads of a launch run one at a time, so that plain code is atomic.
template <class T, class Change> SIMT_UNCHECKED T simt_atomic(T* address, Change change) {
  simt::touch_atomic(address, sizeof(T));
  T old = *address;
  *address = change(old);
  return old;
}
template <class T> T atomicAdd(T* address, std::common_type_t<T> value) {
  return simt_atomic(address, [=](T old) { return T(old + value); });
}
template <class T> T atomicMin(T* address, std::common_type_t<T> value) {
  return simt_atomic(address, [=](T old) { return old < value ? old : value; });
}
template <class T> T atomicMax(T* address, std::common_type_t<T> value) {
  return simt_atomic(address, [=](T old) { return old > value ? old : value; });
}
template <class T> T atomicOr(T* address, std::common_type_t<T> value) {
  return simt_atomic(address, [=](T old) { return T(old | value); });
}

template <class T> T __ldg(const T* address) { return *address; }
inline int __popc(unsigned x) { return __builtin_popcount(x); }
inline int __popcll(unsigned long long x) { return __builtin_popcountll(x); }
inline int __ffs(unsigned x) { return __builtin_ffs(int(x)); }
inline int __ffsll(unsigned long long x) { return __builtin_ffsll((long long)(x)); }
inline int __clz(unsigned x) { return x == 0 ? 32 : __builtin_clz(x); }
inline unsigned __float_as_uint(float x) { return simt::bits_as<unsigned>(x); }
inline int __float_as_int(float x) { return simt::bits_as<int>(x); }
inline float __uint_as_float(unsigned x) { return simt::bits_as<float>(x); }
inline float __int_as_float(int x) { return simt::bits_as<float>(x); }
inline long long __double_as_longlong(double x) { return simt::bits_as<long long>(x); }
inline double __longlong_as_double(long long x) { return simt::bits_as<double>(x); }

// Out of line, so that no product is fused into a sum.
double __dmul_rn(double a, double b);
double __dadd_rn(double a, double b);
float __fmul_rn(float a, float b);
float __fadd_rn(float a, float b);
inline float __fdividef(float a, float b) { return a / b; }
inline float __frcp_rn(float x) { return 1 / x; }
inline float __fsqrt_rn(float x) { return sqrtf(x); }
inline float rsqrtf(float x) { return 1 / sqrtf(x); }
inline double rsqrt(double x) { return 1 / sqrt(x); }
inline float __saturatef(float x) { return x > 0 ? (x < 1 ? x : 1) : 0; }

using cudaStream_t = struct CUstream_st*;
enum cudaError_t { cudaSuccess, cudaErrorLaunchFailure };
enum cudaFuncAttribute { cudaFuncAttributeMaxDynamicSharedMemorySize };
enum cudaMemcpyKind { cudaMemcpyDeviceToHost };
struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

namespace simt {
inline std::string& last_error() {
  static std::string text;
  return text;
}
}  // namespace simt

inline const char* cudaGetErrorString(cudaError_t) { return simt::last_error().c_str(); }
inline cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute, int bytes) {
  simt::allow_shared(kernel, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t) {
  memcpy(to, from, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t) { return cudaSuccess; }

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments&&... arguments) {
  auto call = [&]() SIMT_UNCHECKED { kernel(static_cast<Parameters>(arguments)...); };
  auto body = [](void* kept) SIMT_UNCHECKED { (*static_cast<decltype(call)*>(kept))(); };
  simt::last_error() = simt::run(reinterpret_cast<const void*>(kernel),
                                 {config->gridDim.x, config->blockDim.x, config->dynamicSmemBytes}, body, &call);
  return simt::last_error().empty() ? cudaSuccess : cudaErrorLaunchFailure;
}
