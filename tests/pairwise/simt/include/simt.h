// What kernels and the headers in place of CUDA's need of the emulated machine.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include <string>

namespace simt {

struct Index {
  unsigned x, y, z;
};

// A place in a source file; as a default argument, that of the call.
struct Where {
  const char* file;
  int line;

  static constexpr Where here(const char* file = __builtin_FILE(), int line = __builtin_LINE()) { return {file, line}; }
  bool operator==(const Where& other) const { return line == other.line && file == other.file; }
};

// Ends the launch with an error; called by a thread of a kernel.
[[noreturn]] void fail(const std::string& what);

// Meetings of a warp: each is the same instruction, in the same place, for all lanes of the mask.
unsigned ballot(unsigned mask, bool predicate, Where where);
uint64_t shuffle(unsigned mask, uint64_t bits, int from, Where where);
void meet_warp(unsigned mask, Where where);
void load_matrices(uint32_t (&to)[4], const void* from, Where where);
enum class Number { bfloat16, float16, tf32 };
void multiply(Number number, float (&sum)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1, Where where);

// A barrier of the block; the sum of `value` over its threads.
int meet_block(int value, Where where);

char* dynamic_shared();
void touch_atomic(const void* address, size_t bytes);

void copy_async(void* to, const void* from, int bytes, int valid);
void commit_copies();
void await_copies(int pending);

// The memory that kernels of an operator may read, or read and write, until the operator is done.
void begin_operator();
void end_operator();
void allow_memory(const void* begin, size_t bytes, bool writable);

struct Launch {
  unsigned blocks, threads;
  size_t shared;
};
void allow_shared(const void* kernel, int bytes);
// Runs body(arguments) as every thread of every block. What went wrong, or nothing.
std::string run(const void* kernel, Launch launch, void (*body)(void*), void* arguments);

// Counted since the library was loaded.
struct Statistics {
  int64_t launches, blocks, barriers, ballots, shuffles, copies, matrix_loads, bank_conflicts, products;
};
extern Statistics statistics;

}  // namespace simt
