#include "pages.h"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>

namespace hiergeo {
namespace {

constexpr uintptr_t kMostPages = 5, kPlaces = 8;

// Blocks that nobody uses. The low bits of an address, which are 0, say how many huge pages lie there.
std::atomic<uintptr_t> kept[kPlaces];
std::atomic<unsigned> replaced{0};

uintptr_t pages_of(int64_t bytes) { return uintptr_t((bytes + kHugePage - 1) / kHugePage); }

}  // namespace

void prefer_huge_pages(void* data, int64_t bytes) {
#if defined(MADV_HUGEPAGE)
  // The system itself finds the huge pages that fit in; to begin with the first would lose the one that `data` lies in.
  static const uintptr_t page = uintptr_t(sysconf(_SC_PAGESIZE));
  const uintptr_t begin = reinterpret_cast<uintptr_t>(data) / page * page;
  const uintptr_t end = reinterpret_cast<uintptr_t>(data) + uintptr_t(bytes);
  if (bytes >= kHugePage) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
#else
  (void)data;
  (void)bytes;
#endif
}

void* take_block(int64_t bytes) {
  const uintptr_t pages = pages_of(bytes);
  for (std::atomic<uintptr_t>& place : kept) {
    uintptr_t found = place;
    if (found % kHugePage == pages && place.compare_exchange_strong(found, 0)) return reinterpret_cast<void*>(found - pages);
  }
  void* block = std::aligned_alloc(kHugePage, pages * kHugePage);
  if (block) prefer_huge_pages(block, int64_t(pages) * kHugePage);
  return block;
}

void give_block(void* block, int64_t bytes) {
  const uintptr_t pages = pages_of(bytes);
  if (pages > kMostPages) return std::free(block);
#if defined(MADV_FREE)
  madvise(block, pages * kHugePage, MADV_FREE);
#endif
  const uintptr_t kept_now = reinterpret_cast<uintptr_t>(block) + pages;
  for (std::atomic<uintptr_t>& place : kept) {
    uintptr_t none = 0;
    if (place.compare_exchange_strong(none, kept_now)) return;
  }
  const uintptr_t oldest = kept[replaced++ % kPlaces].exchange(kept_now);
  std::free(reinterpret_cast<void*>(oldest - oldest % kHugePage));
}

}  // namespace hiergeo
