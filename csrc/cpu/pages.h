// Memory of megabytes that are all written: in huge pages where the system has them for the asking, which takes a page fault for
// 2 MiB instead of 512 for 4 KiB.
#pragma once

#include <stdint.h>

namespace hiergeo {

constexpr int64_t kHugePage = int64_t(2) << 20;

// Asks for huge pages for memory that is about to be written; memory in use is left unchanged, and systems without them, or
// that were told not to use them, do nothing.
void prefer_huge_pages(void* data, int64_t bytes);

// Uninitialised scratch on a boundary of huge pages; null where there is no memory. Blocks that are given back are kept for the
// next call, at most 80 MiB in all, whose pages the system may take when it runs short.
void* take_block(int64_t bytes);
void give_block(void* block, int64_t bytes);

// Smaller scratch is no block, and none is where AddressSanitizer is to see where it ends.
#if defined(__SANITIZE_ADDRESS__)
constexpr int64_t kBlockFrom = INT64_MAX;
#else
constexpr int64_t kBlockFrom = kHugePage;
#endif

}  // namespace hiergeo
