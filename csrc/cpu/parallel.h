// Loops on torch's threads.
#pragma once

#include <pthread.h>
#include <torch/csrc/stable/ops.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#if defined(__SANITIZE_THREAD__)
#include <sanitizer/tsan_interface.h>
#endif

namespace hiergeo {
namespace {

// A child that was forked after its parent had used the thread pool has the pool's locks but not its threads.
bool forked = false;
const int watching = pthread_atfork(nullptr, nullptr, [] { forked = true; });

// ThreadSanitizer does not see into OpenMP. It is told that all of a loop comes after what is before it and before what
// follows; parts of one loop stay unordered.
#if defined(__SANITIZE_THREAD__)
char begun, done;
void acquire(char& moment) { __tsan_acquire(&moment); }
void release(char& moment) { __tsan_release(&moment); }
#else
constexpr char begun = 0, done = 0;
constexpr void acquire(char) {}
constexpr void release(char) {}
#endif

// Threads take parts as they become free, large ones first: one that has to share its processor with other programs does less,
// and the rest do not wait for it.
void in_parallel(int64_t count, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  const int64_t threads = forked ? 1 : std::min<int64_t>(torch::stable::get_num_threads(), (count + grain - 1) / grain);
  if (threads <= 1) return body(context, 0, count);
  std::atomic<int64_t> next{0};
  const auto work = [&](int64_t, int64_t) {
    acquire(begun);
    for (int64_t begin = next; begin < count; begin = next) {
      const int64_t end = std::min(count, begin + std::max(grain, (count - begin) / (2 * threads)));
      if (next.compare_exchange_weak(begin, end)) body(context, begin, end);
    }
    release(done);
  };
  release(begun);
  torch::stable::parallel_for(0, threads, 1, work);
  acquire(done);
}

}  // namespace
}  // namespace hiergeo
