// What a kernel may touch, checked at every access (hooks.cpp).
#include <link.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <sstream>

#include "machine.h"

namespace simt {
namespace {

constexpr uint16_t kSeveral = 0x8000;  // plus the warp: several of its lanes
constexpr uint16_t kMany = 0xffff, kAtomic = 0xfffe;

// Four bytes of memory: when and by whom they were last written and read. Bytes are bits of the masks.
struct Cell {
  uint32_t written, read;
  uint16_t writer, reader, write_turn, read_turn;
  uint8_t write_mask, read_mask;
  uint8_t known;   // have a value
  uint8_t flying;  // an asynchronous copy is on its way to them
  bool spread;     // several blocks of the launch have read them
};

struct Region {
  const char* begin = nullptr;
  size_t bytes = 0;
  Cell* cells = nullptr;  // null where nothing may be written
  const char* name = nullptr;

  bool holds(const char* address) const { return size_t(address - begin) < bytes; }
  bool holds(const char* address, size_t size) const {
    return size_t(address - begin) < bytes && bytes - size_t(address - begin) >= size;
  }
  Cell& cell(const char* address) const {
    return cells[(reinterpret_cast<uintptr_t>(address) >> 2) - (reinterpret_cast<uintptr_t>(begin) >> 2)];
  }
};

// Pages of zeros that take memory where they are touched.
size_t cells_size(size_t bytes) { return (bytes / 4 + 2) * sizeof(Cell); }
Cell* new_cells(size_t bytes) {
  void* cells = mmap(nullptr, cells_size(bytes), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (cells == MAP_FAILED) throw std::bad_alloc();
  return static_cast<Cell*>(cells);
}

// The variables of this library: kernels have no others than those in shared memory.
Region variables() {
  Region found = {nullptr, 0, nullptr, "static shared memory"};
  auto look = [](dl_phdr_info* library, size_t, void* context) {
    static const char inside = 0;
    auto& found = *static_cast<Region*>(context);
    bool own = false;
    for (int i = 0; i < library->dlpi_phnum; ++i) {
      const auto& part = library->dlpi_phdr[i];
      auto* begin = reinterpret_cast<const char*>(library->dlpi_addr + part.p_vaddr);
      if (part.p_type != PT_LOAD) continue;
      own |= size_t(&inside - begin) < part.p_memsz;
      if (part.p_flags & PF_W) found = {begin, part.p_memsz, nullptr, found.name};
    }
    return int(own);
  };
  dl_iterate_phdr(look, &found);
  found.cells = new_cells(found.bytes);
  return found;
}

char* const shared_memory = static_cast<char*>(aligned_alloc(128, kMostShared));
Region dynamic_region = {shared_memory, 0, new_cells(kMostShared), "dynamic shared memory"};
Region static_region = variables();
std::vector<Region> tensors;
size_t last_found = 0;
std::recursive_mutex one_operator;
int depth = 0;

std::string who(uint16_t thread) {
  if (thread == kMany) return "several threads";
  if (thread == kAtomic) return "atomics";
  if (thread & kSeveral) return "several lanes of warp " + std::to_string(thread & ~kSeveral);
  return "thread " + std::to_string(thread);
}

[[noreturn]] void fail_at(const Region& region, const char* address, size_t bytes, const std::string& what) {
  std::ostringstream text;
  text << what << ": " << bytes << " bytes from byte " << address - region.begin << " of " << region.name << " of "
       << region.bytes << " bytes";
  fail(text.str());
}

// Clocks and names of the thread that runs.
struct Self {
  uint32_t now = machine.now;
  uint16_t thread = uint16_t(machine.current), warp = uint16_t(machine.current / kWarp);
  uint16_t turn = machine.warps[machine.current / kWarp].turn;

  // Whether nothing orders this access after an earlier one.
  bool races(uint32_t time, uint16_t other, uint16_t other_turn) const {
    if (time < machine.launch_start) return false;
    if (time < machine.block_start) return true;
    if (time != now || other == thread) return false;
    if (other == kMany || other == kAtomic) return true;
    uint16_t other_warp = other & kSeveral ? other & ~kSeveral : other / kWarp;
    return !(other_warp == warp && other_turn != turn);
  }
};

// Whether a read is like one before in the same time, which was found right and is remembered.
bool is_repeated(const Cell& cell, uint8_t mask, const Self& self) {
  bool known = cell.reader == kMany || cell.reader == self.thread ||
               (cell.reader == (kSeveral | self.warp) && cell.read_turn == self.turn);
  return cell.read == self.now && known && (cell.read_mask & mask) == mask && !(cell.flying & mask);
}

void note_read(Cell& cell, uint8_t mask, const Self& self) {
  if (cell.read == self.now && cell.reader != self.thread) {
    bool lanes = cell.read_turn == self.turn && (cell.reader & kSeveral ? cell.reader == (kSeveral | self.warp)
                                                                        : cell.reader / kWarp == self.warp);
    cell.reader = lanes ? kSeveral | self.warp : kMany;
    cell.read_mask |= mask;
    return;
  }
  cell.spread = cell.read >= machine.launch_start && (cell.spread || cell.read < machine.block_start);
  cell.read_mask = cell.read == self.now ? cell.read_mask | mask : mask;
  cell.read = self.now;
  cell.reader = self.thread;
  cell.read_turn = self.turn;
}

void note_write(Cell& cell, uint8_t mask, bool atomic, const Self& self) {
  bool plainly = cell.written == self.now && cell.writer == self.thread;
  uint16_t writer = atomic && !plainly ? kAtomic : self.thread;
  bool again = cell.written == self.now && cell.writer == writer;
  cell.write_mask = again ? cell.write_mask | mask : mask;
  cell.written = self.now;
  cell.writer = writer;
  cell.write_turn = self.turn;
  cell.known |= mask;
}

// Nothing of a block before is left in shared memory.
void forget(Cell& cell) {
  if (cell.written < machine.block_start) cell.written = cell.known = cell.flying = cell.write_mask = 0;
  if (cell.read < machine.block_start) cell.read = cell.read_mask = cell.spread = 0;
}

// What is wrong with an access to bytes of a cell, or nothing.
std::string fault(const Cell& cell, uint8_t mask, Access access, bool shared, const Self& self) {
  bool reads = access == Access::read;
  if (cell.flying & mask) return reads ? "reads what a copy has not brought yet" : "writes where a copy is to land";
  if (shared && access != Access::write && (cell.known & mask) != mask) return "reads what nobody has written";
  bool written = (cell.write_mask & mask) && !(access == Access::atomic && cell.writer == kAtomic);
  if (written && self.races(cell.written, cell.writer, cell.write_turn)) {
    return std::string("a race: ") + (reads ? "reads" : "writes") + " what " + who(cell.writer) +
           " wrote, without a barrier between";
  }
  bool spread = cell.spread && cell.read >= machine.launch_start;
  if (!reads && (cell.read_mask & mask) && (spread || self.races(cell.read, cell.reader, cell.read_turn))) {
    return "a race: writes what " + who(cell.reader) + " read, without a barrier between";
  }
  return "";
}

bool is_shared(const Region& region) { return &region == &dynamic_region || &region == &static_region; }

void check_cells(const Region& region, const char* address, size_t bytes, Access access) {
  const bool shared = is_shared(region);
  const Self self;
  size_t offset = reinterpret_cast<uintptr_t>(address) & 3;
  Cell* cell = &region.cell(address);
  for (size_t done = 0; done < bytes; ++cell, offset = 0) {
    size_t part = std::min(4 - offset, bytes - done);
    auto mask = uint8_t(((1u << part) - 1) << offset);
    if (access != Access::read || !is_repeated(*cell, mask, self)) {
      if (shared) forget(*cell);
      std::string what = fault(*cell, mask, access, shared, self);
      if (!what.empty()) fail_at(region, address + done, part, what);
      if (access == Access::read) {
        note_read(*cell, mask, self);
      } else {
        note_write(*cell, mask, access == Access::atomic, self);
      }
    }
    done += part;
  }
}

const Region& region_of(const char* address, size_t bytes, bool writes) {
  auto fits = [&](const Region& region) { return region.holds(address, bytes) && (!writes || region.cells != nullptr); };
  if (last_found < tensors.size() && fits(tensors[last_found])) return tensors[last_found];
  const Region* part = nullptr;
  for (const Region& region : tensors) {
    if (fits(region)) {
      last_found = size_t(&region - tensors.data());
      return region;
    }
    if (region.holds(address) || region.holds(address + bytes - 1)) part = &region;
  }
  if (part == nullptr) {
    const Region* nearest = nullptr;  // by name in the error
    for (const Region& region : tensors) {
      if (address >= region.begin && (nearest == nullptr || region.begin > nearest->begin)) nearest = &region;
    }
    if (nearest == nullptr) fail("touches memory of no tensor of the operator");
    fail_at(*nearest, address, bytes, "touches memory of no tensor of the operator");
  }
  fail_at(*part, address, bytes, part->holds(address, bytes) ? "writes to an operand" : "runs over the end of a tensor");
}

}  // namespace

char* dynamic_shared() { return shared_memory; }

void begin_block_memory(size_t shared) { dynamic_region.bytes = shared; }

void check_access(const void* pointer, size_t bytes, Access access) {
  auto* address = static_cast<const char*>(pointer);
  bool aligned = (bytes & (bytes - 1)) != 0 || reinterpret_cast<uintptr_t>(address) % (bytes < 16 ? bytes : 16) == 0;
  if (!aligned) fail("an access of " + std::to_string(bytes) + " bytes that is not aligned");
  if (size_t(address - shared_memory) < kMostShared) {
    if (!dynamic_region.holds(address, bytes)) fail_at(dynamic_region, address, bytes, "outside of shared memory");
    return check_cells(dynamic_region, address, bytes, access);
  }
  if (static_region.holds(address)) return check_cells(static_region, address, bytes, access);
  const Region& region = region_of(address, bytes, access != Access::read);
  if (region.cells != nullptr) check_cells(region, address, bytes, access);
}

void touch_atomic(const void* address, size_t bytes) {
  machine.site = __builtin_return_address(0);
  check_access(address, bytes, Access::atomic);
}

void begin_copy(const Copy& copy) {
  auto* to = static_cast<const char*>(copy.to);
  if (copy.valid > 0) check_access(copy.from, size_t(copy.valid), Access::read);
  if (!dynamic_region.holds(to, size_t(copy.bytes))) fail_at(dynamic_region, to, size_t(copy.bytes), "copies to outside of shared memory");
  check_cells(dynamic_region, to, size_t(copy.bytes), Access::write);
  for (int i = 0; i < copy.bytes; i += 4) dynamic_region.cell(to + i).flying = 0xf;
}

void end_copy(const Copy& copy) {
  auto* to = static_cast<char*>(copy.to);
  for (int i = 0; i < copy.bytes; i += 4) dynamic_region.cell(to + i).flying = 0;
  check_cells(dynamic_region, to, size_t(copy.bytes), Access::write);
  memcpy(to, copy.from, size_t(copy.valid));
  memset(to + copy.valid, 0, size_t(copy.bytes - copy.valid));
}

void begin_operator() {
  one_operator.lock();
  ++depth;
}

void end_operator() {
  if (--depth == 0) {
    for (const Region& region : tensors) {
      if (region.cells != nullptr) munmap(region.cells, cells_size(region.bytes));
    }
    tensors.clear();
  }
  one_operator.unlock();
}

void allow_memory(const void* begin, size_t bytes, bool writable) {
  auto* first = static_cast<const char*>(begin);
  if (bytes == 0) return;
  for (Region& region : tensors) {
    if (region.begin != first || region.bytes != bytes) continue;
    if (writable && region.cells == nullptr) region.cells = new_cells(bytes);
    return;
  }
  tensors.push_back({first, bytes, writable ? new_cells(bytes) : nullptr, "a tensor"});
}

}  // namespace simt
