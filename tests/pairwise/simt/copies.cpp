// Asynchronous copies to shared memory. They arrive as late as they may: when their thread waits for their group.
#include <stdint.h>

#include "machine.h"

namespace simt {

void copy_async(void* to, const void* from, int bytes, int valid) {
  machine.site = __builtin_return_address(0);
  ++statistics.copies;
  if (valid < 0 || valid > bytes) fail("a copy of " + std::to_string(valid) + " of " + std::to_string(bytes) + " bytes");
  if (reinterpret_cast<uintptr_t>(to) % size_t(bytes) != 0) fail("a copy to an address that is not aligned");
  if (reinterpret_cast<uintptr_t>(from) % size_t(bytes) != 0) fail("a copy from an address that is not aligned");
  Copy copy = {to, from, bytes, valid};
  begin_copy(copy);
  machine.threads[machine.current].copies.all.push_back(copy);
}

void commit_copies() {
  Copies& copies = machine.threads[machine.current].copies;
  copies.ends.push_back(copies.all.size());
}

void await_copies(int pending) {
  machine.site = __builtin_return_address(0);
  Copies& copies = machine.threads[machine.current].copies;
  if (int(copies.ends.size()) <= pending) return;
  size_t groups = copies.ends.size() - size_t(pending), landed = copies.ends[groups - 1];
  for (size_t i = 0; i < landed; ++i) end_copy(copies.all[i]);
  copies.all.erase(copies.all.begin(), copies.all.begin() + long(landed));
  copies.ends.erase(copies.ends.begin(), copies.ends.begin() + long(groups));
  for (size_t& end : copies.ends) end -= landed;
}

}  // namespace simt
