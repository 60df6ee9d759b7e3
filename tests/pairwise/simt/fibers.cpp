#include "fibers.h"

#include <stdlib.h>
#include <sys/mman.h>

#include <new>
#include <utility>

namespace simt {
namespace {

constexpr size_t kGuard = 4096;  // below the stack; an overflow is a crash and not silent damage

char* new_stack() {
  void* memory = mmap(nullptr, kGuard + Fiber::stack_bytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, kGuard, PROT_NONE);
  return static_cast<char*>(memory) + kGuard;
}

size_t room_of(unsigned number) { return Fiber::stack_bytes - number % 32 * 128; }

}  // namespace

Fiber::Fiber(Fiber&& other) noexcept : stack_(std::exchange(other.stack_, nullptr)) {}

Fiber::~Fiber() {
  if (stack_ != nullptr) munmap(stack_ - kGuard, kGuard + stack_bytes);
}

#if defined(SIMT_PORTABLE_FIBERS)

static ucontext_t outside;

void Fiber::start(void (*entry)(), unsigned number) {
  if (stack_ == nullptr) stack_ = new_stack();
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = room_of(number);
  context_.uc_link = nullptr;
  makecontext(&context_, entry, 0);
}
void Fiber::resume() { swapcontext(&outside, &context_); }
void Fiber::pause() { swapcontext(&context_, &outside); }

#else

// Saves the registers that a call preserves on the stack of the caller, and takes those of the other stack.
extern "C" void simt_switch(void** save, void* load);
asm(R"(
.text
.globl simt_switch
.hidden simt_switch
.type simt_switch,@function
simt_switch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size simt_switch,.-simt_switch
)");

static void* outside;

void Fiber::start(void (*entry)(), unsigned number) {
  if (stack_ == nullptr) stack_ = new_stack();
  void** top = reinterpret_cast<void**>(stack_ + room_of(number));
  *--top = nullptr;                               // the stack is aligned as after a call
  *--top = reinterpret_cast<void*>(entry);        // where the switch returns to
  for (int i = 0; i < 6; ++i) *--top = nullptr;   // registers
  pointer_ = top;
}
void Fiber::resume() { simt_switch(&outside, pointer_); }
void Fiber::pause() { simt_switch(&pointer_, outside); }

#endif

}  // namespace simt
