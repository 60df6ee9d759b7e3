// Launches: their limits, the order of their blocks, and errors with the source line that they come from.
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <numeric>
#include <unordered_map>

#include "machine.h"

extern "C" {
extern simt::Index simt_block_index, simt_block_size, simt_grid_size;
}

double __dmul_rn(double a, double b) { return a * b; }
double __dadd_rn(double a, double b) { return a + b; }
float __fmul_rn(float a, float b) { return a * b; }
float __fadd_rn(float a, float b) { return a + b; }

namespace simt {
namespace {

constexpr size_t kSharedUnasked = 48 << 10;

std::unordered_map<const void*, size_t>& allowed() {
  static std::unordered_map<const void*, size_t> bytes;
  return bytes;
}

uint64_t number(const char* variable, uint64_t otherwise) {
  const char* text = getenv(variable);
  return text != nullptr && *text != 0 ? strtoull(text, nullptr, 10) : otherwise;
}

// SIMT_SCHEDULE, else any, block by block.
Schedule schedule() {
  const char* name = getenv("SIMT_SCHEDULE");
  if (name != nullptr && strcmp(name, "fifo") == 0) return Schedule::fifo;
  if (name != nullptr && strcmp(name, "lifo") == 0) return Schedule::lifo;
  if (name != nullptr && strcmp(name, "random") == 0) return Schedule::random;
  return Schedule(machine.random() % 3);
}

// The function and line of an address of this library, as far as addr2line knows.
std::string source_of(const void* address) {
  Dl_info library;
  if (address == nullptr || dladdr(address, &library) == 0) return "";
  char command[4096], line[4096] = "";
  snprintf(command, sizeof command, "addr2line -Cfpse '%s' %#tx 2>/dev/null", library.dli_fname,
           static_cast<const char*>(address) - static_cast<const char*>(library.dli_fbase) - 1);
  FILE* pipe = popen(command, "r");
  if (pipe == nullptr) return "";
  bool read = fgets(line, sizeof line, pipe) != nullptr;
  pclose(pipe);
  line[strcspn(line, "\n")] = 0;
  return read ? line : "";
}

std::string refusal(const void* kernel, Launch launch) {
  auto found = allowed().find(kernel);
  size_t most = found == allowed().end() ? kSharedUnasked : found->second;
  if (launch.threads == 0 || launch.threads > kMostThreads) return "a block of " + std::to_string(launch.threads) + " threads";
  if (launch.blocks == 0) return "a launch of no blocks";
  if (launch.shared > most) {
    return std::to_string(launch.shared) + " bytes of shared memory where " + std::to_string(most) + " are allowed";
  }
  return "";
}

}  // namespace

void allow_shared(const void* kernel, int bytes) { allowed()[kernel] = std::min(size_t(bytes), kMostShared); }

std::string run(const void* kernel, Launch launch, void (*body)(void*), void* arguments) {
  machine.error = refusal(kernel, launch);
  if (!machine.error.empty()) return machine.error;
  machine.random.seed(number("SIMT_SEED", 0) * 1000003 + uint64_t(statistics.launches++));
  machine.body = body;
  machine.arguments = arguments;
  machine.site = nullptr;
  machine.launch_start = ++machine.now;
  unsigned blocks = unsigned(std::min<uint64_t>(launch.blocks, number("SIMT_BLOCKS", launch.blocks)));
  simt_grid_size = {blocks, 1, 1};
  simt_block_size = {launch.threads, 1, 1};
  std::vector<unsigned> order(blocks);
  std::iota(order.begin(), order.end(), 0u);
  std::shuffle(order.begin(), order.end(), machine.random);
  for (unsigned block : order) {
    ++statistics.blocks;
    simt_block_index = {block, 0, 0};
    machine.schedule = schedule();
    begin_block_memory(launch.shared);
    run_block(launch.threads);
    if (!machine.error.empty()) break;
  }
  if (machine.error.empty()) return "";
  std::string source = source_of(machine.site);
  return machine.error + (source.empty() ? "" : " (" + source + ")") + ", a kernel launched with " +
         std::to_string(blocks) + " blocks of " + std::to_string(launch.threads) + " threads";
}

}  // namespace simt
