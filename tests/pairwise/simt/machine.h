// The state of the emulated machine: one block of threads at a time, and the clocks by which accesses are ordered.
#pragma once

#include <stdint.h>

#include <deque>
#include <random>
#include <string>
#include <vector>

#include "fibers.h"
#include "simt.h"

namespace simt {

constexpr unsigned kWarp = 32, kMostThreads = 1024;

struct Copy {
  void* to;
  const void* from;
  int bytes, valid;
};

// The asynchronous copies of a thread: groups that are committed, oldest first, then those of the open group.
struct Copies {
  std::vector<Copy> all;
  std::vector<size_t> ends;  // of the committed groups
};

struct Thread {
  Fiber fiber;
  Copies copies;
  int value = 0;  // what it brings to a barrier, then what it takes from there
};

// Lanes that have arrived at a meeting and wait for the others.
struct Warp {
  unsigned arrived = 0, mask = 0;
  const char* kind = nullptr;
  Where where = {};
  void* payloads[kWarp];
  uint16_t turn = 0;  // counts __syncwarp, which orders the accesses of a warp
};

enum class Schedule { fifo, lifo, random };

struct Machine {
  std::vector<Thread> threads;
  std::vector<Warp> warps;
  std::deque<unsigned> ready;
  unsigned count = 0, finished = 0, waiting = 0;  // of the threads of the block
  Where barrier = {};
  unsigned current = 0;  // the thread that runs
  bool running = false;  // inside a kernel
  void (*body)(void*) = nullptr;
  void* arguments = nullptr;
  Schedule schedule = Schedule::fifo;
  std::mt19937_64 random;
  std::string error;
  const void* site = nullptr;  // where the last checked access came from
  // Time, counted in barriers. An access at `now` or later than `block_start` is of this block.
  uint32_t now = 1, launch_start = 1, block_start = 1;
};
extern Machine machine;

// Runs a block of `count` threads to its end, or until machine.error says what is wrong.
void run_block(unsigned count);

// All lanes of `mask` of the calling warp call this with the same kind and place; the last to arrive finishes for all.
void meet(const char* kind, unsigned mask, Where where, void* payload, void (*finish)(void** payloads, unsigned mask));

enum class Access { read, write, atomic };
// Every access of a kernel to memory that is not its own stack. Allowed are the tensors of the operator, shared memory that
// was written before, and nothing that another thread writes, or reads what this one writes, without a barrier between.
void check_access(const void* address, size_t bytes, Access access);
// A copy to shared memory sets out, and lands.
void begin_copy(const Copy& copy);
void end_copy(const Copy& copy);
void begin_block_memory(size_t shared);
constexpr size_t kMostShared = 227 << 10;

std::string at(Where where);

}  // namespace simt
