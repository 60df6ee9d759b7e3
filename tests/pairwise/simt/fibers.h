// Fibers: stacks of their own that one operating system thread runs by turns.
#pragma once

#include <stddef.h>

#if !defined(__x86_64__) || defined(SIMT_UCONTEXT)
#include <ucontext.h>
#define SIMT_PORTABLE_FIBERS
#endif

namespace simt {

class Fiber {
 public:
  Fiber() = default;
  Fiber(Fiber&& other) noexcept;
  ~Fiber();

  // Makes the next resume() call `entry`, which never returns. Tops of stacks with different numbers lie in different
  // cache sets.
  void start(void (*entry)(), unsigned number);
  // Called outside of all fibers: goes on in this one until it pauses.
  void resume();
  // Called in this fiber: goes back to where resume() was called.
  void pause();

  const char* stack() const { return stack_; }
  static constexpr size_t stack_bytes = 64 << 10;

 private:
  char* stack_ = nullptr;
#if defined(SIMT_PORTABLE_FIBERS)
  ucontext_t context_;
#else
  void* pointer_ = nullptr;
#endif
};

}  // namespace simt
