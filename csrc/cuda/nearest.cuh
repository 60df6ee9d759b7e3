// The k smallest of a row: a sorted list, and a buffer of candidates that is merged into it when full.
#pragma once

#include <stdint.h>

#include "copy.cuh"

namespace hiergeo::cuda {
namespace {

// A number and its column; no two entries of a row are equal. `key` orders as the number does, NaN last; it is as wide as the
// column, so that an entry has no gap.
struct Entry {
  uint64_t key;
  int64_t column;

  __device__ bool operator<(const Entry& other) const {
    return key < other.key || (key == other.key && column < other.column);
  }
};

constexpr uint64_t kNoKey = ~uint64_t(0);
constexpr uint32_t kSign = 1u << 31;
constexpr int64_t kNoColumn = -1;

__device__ inline uint64_t key_of(float x) {
  if (x != x) return kNoKey;
  uint32_t bits = __float_as_uint(x + 0.0f);  // -0 becomes 0
  return bits & kSign ? ~bits : bits | kSign;
}
__device__ inline float number_of(uint64_t key) {
  uint32_t bits = uint32_t(key);
  return key == kNoKey ? NAN : __uint_as_float(bits & kSign ? bits ^ kSign : ~bits);
}

__device__ inline void order(Entry& low, Entry& high) {
  if (high < low) {
    Entry entry = low;
    low = high;
    high = entry;
  }
}

// Sorts `entries`, a bitonic sequence, ascending; `size` is a power of two. Called by the whole block.
__device__ inline void merge_bitonic(Entry* entries, int size) {
  for (int reach = size / 2; reach > 0; reach /= 2) {
    for (int i = threadIdx.x; i < size / 2; i += kThreads) {
      int low = i / reach * 2 * reach + i % reach;
      order(entries[low], entries[low + reach]);
    }
    __syncthreads();
  }
}

// Sorts any sequence: after each round runs of `run` are ascending.
__device__ inline void sort(Entry* entries, int size) {
  for (int run = 2; run <= size; run *= 2) {
    for (int i = threadIdx.x; i < size / 2; i += kThreads) {
      int first = i / (run / 2) * run, within = i % (run / 2);
      order(entries[first + within], entries[first + run - 1 - within]);
    }
    __syncthreads();
    for (int reach = run / 4; reach > 0; reach /= 2) {
      for (int i = threadIdx.x; i < size / 2; i += kThreads) {
        int low = i / reach * 2 * reach + i % reach;
        order(entries[low], entries[low + reach]);
      }
      __syncthreads();
    }
  }
}

// `length` (a power of two, at least k) and `capacity` (one, at least 2 kThreads and `length`).
class Shortlist {
 public:
  __device__ Shortlist(char* memory, int k, int length, int capacity)
      : list_(reinterpret_cast<Entry*>(memory)),
        buffer_(list_ + length),
        filled_(reinterpret_cast<int*>(buffer_ + capacity)),
        k_(k),
        length_(length),
        capacity_(capacity) {}

  static size_t bytes(int length, int capacity) { return (length + capacity) * sizeof(Entry) + sizeof(int); }

  // The i-th smallest so far.
  __device__ Entry& at(int i) { return list_[i]; }

  // Begins with the list that entry(i) gives for i < k, ascending.
  template <class Initial> __device__ void begin(Initial initial) {
    for (int i = threadIdx.x; i < length_; i += kThreads) list_[i] = i < k_ ? initial(i) : Entry{kNoKey, kNoColumn};
    if (threadIdx.x == 0) *filled_ = 0;
    waiting_ = 0;
    __syncthreads();
  }

  // Called by every thread of the block, each with its own entry. How many wait is known to all threads without reading
  // `filled_`, so that they agree on when to merge.
  __device__ void offer(Entry entry) {
    bool better = entry.key != kNoKey && entry < list_[k_ - 1];
    if (better) buffer_[atomicAdd(filled_, 1)] = entry;
    waiting_ += __syncthreads_count(better);
    if (waiting_ > capacity_ - kThreads) merge();
  }

  __device__ void finish() {
    if (waiting_ > 0) merge();
  }

 private:
  // The smallest of two ascending lists a and b are min(a[i], b[length - 1 - i]), a bitonic sequence.
  __device__ void merge() {
    int size = length_;
    while (size < waiting_) size *= 2;
    for (int i = waiting_ + threadIdx.x; i < size; i += kThreads) buffer_[i] = {kNoKey, kNoColumn};
    __syncthreads();
    sort(buffer_, size);
    for (int i = threadIdx.x; i < length_; i += kThreads) {
      Entry other = buffer_[length_ - 1 - i];
      if (other < list_[i]) list_[i] = other;
    }
    if (threadIdx.x == 0) *filled_ = 0;
    waiting_ = 0;
    __syncthreads();
    merge_bitonic(list_, length_);
  }

  Entry *list_, *buffer_;
  int* filled_;
  int k_, length_, capacity_, waiting_ = 0;
};

}  // namespace
}  // namespace hiergeo::cuda
