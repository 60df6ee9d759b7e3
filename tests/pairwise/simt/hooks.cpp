// Kernels are compiled with -fsanitize=thread, so that the compiler puts a call before every access to memory. Linked without
// the runtime of ThreadSanitizer, the calls come here.
#include "machine.h"

namespace {

void check(void* address, size_t bytes, simt::Access access, const void* site) {
  if (!simt::machine.running) return;
  const char* stack = simt::machine.threads[simt::machine.current].fiber.stack();
  if (size_t(static_cast<char*>(address) - stack) < simt::Fiber::stack_bytes) return;
  simt::machine.site = site;
  simt::check_access(address, bytes, access);
}

// Of another size than a plain access, or aligned to less than that: in parts that are aligned.
void check_range(void* address, size_t bytes, simt::Access access, const void* site) {
  auto* place = static_cast<char*>(address);
  while (bytes > 0) {
    size_t part = 16;
    while (part > bytes || reinterpret_cast<uintptr_t>(place) % part != 0) part /= 2;
    check(place, part, access, site);
    place += part;
    bytes -= part;
  }
}

}  // namespace

#define SIMT_HOOKS(BYTES)                                                                                \
  void __tsan_read##BYTES(void* p) { check(p, BYTES, simt::Access::read, __builtin_return_address(0)); } \
  void __tsan_write##BYTES(void* p) { check(p, BYTES, simt::Access::write, __builtin_return_address(0)); }
extern "C" {
SIMT_HOOKS(1)
SIMT_HOOKS(2)
SIMT_HOOKS(4)
SIMT_HOOKS(8)
SIMT_HOOKS(16)
void __tsan_read_range(void* p, size_t bytes) {
  check_range(p, bytes, simt::Access::read, __builtin_return_address(0));
}
void __tsan_write_range(void* p, size_t bytes) {
  check_range(p, bytes, simt::Access::write, __builtin_return_address(0));
}

// An index beyond an array whose size the compiler knows, by -fsanitize=bounds.
void __ubsan_handle_out_of_bounds(void*, size_t index) {
  simt::machine.site = __builtin_return_address(0);
  if (simt::machine.running) simt::fail("index " + std::to_string(index) + " is out of the bounds of an array");
}

// Of host code in the same files.
void __tsan_init() {}
void __tsan_vptr_update(void*, void*) {}
int __tsan_atomic32_fetch_add(volatile int* p, int value, int) { return __atomic_fetch_add(p, value, __ATOMIC_SEQ_CST); }
char __tsan_atomic8_load(const volatile char* p, int) { return __atomic_load_n(p, __ATOMIC_SEQ_CST); }
}
