// One block: its threads take turns and meet at barriers and warp operations.
#include <string.h>

#include <sstream>

#include "machine.h"

// As kernels declare them, but not constant.
extern "C" {
simt::Index simt_thread_index, simt_block_index, simt_block_size, simt_grid_size;
}

namespace simt {

Machine machine;
Statistics statistics;

std::string at(Where where) {
  const char* slash = strrchr(where.file, '/');
  return std::string(slash ? slash + 1 : where.file) + ":" + std::to_string(where.line);
}

void fail(const std::string& what) {
  if (machine.error.empty()) {
    std::ostringstream text;
    text << "block " << simt_block_index.x << ", thread " << simt_thread_index.x << ": " << what;
    machine.error = text.str();
  }
  machine.threads[machine.current].fiber.pause();
  abort();  // a failed launch never goes on
}

namespace {

Warp& own_warp() { return machine.warps[machine.current / kWarp]; }

void pause() { machine.threads[machine.current].fiber.pause(); }

void enter() {
  machine.body(machine.arguments);
  ++machine.finished;
  pause();
  abort();  // nobody wakes a finished thread
}

unsigned next_ready() {
  auto& ready = machine.ready;
  if (machine.schedule == Schedule::random) std::swap(ready.back(), ready[machine.random() % ready.size()]);
  unsigned next = machine.schedule == Schedule::fifo ? ready.front() : ready.back();
  machine.schedule == Schedule::fifo ? ready.pop_front() : ready.pop_back();
  return next;
}

std::string deadlock() {
  std::ostringstream text;
  text << "block " << simt_block_index.x << " cannot go on: " << machine.finished << " of " << machine.count
       << " threads are done";
  if (machine.waiting > 0) text << "; " << machine.waiting << " wait at the barrier in " << at(machine.barrier);
  for (size_t w = 0; w < machine.warps.size(); ++w) {
    const Warp& warp = machine.warps[w];
    if (warp.arrived == 0) continue;
    text << "; warp " << w << " waits at a " << warp.kind << " in " << at(warp.where) << " for lanes " << std::hex
         << (warp.mask & ~warp.arrived) << std::dec;
  }
  return text.str();
}

}  // namespace

void run_block(unsigned count) {
  machine.count = count;
  machine.finished = machine.waiting = 0;
  if (machine.threads.size() < count) machine.threads.resize(count);
  machine.warps.assign((count + kWarp - 1) / kWarp, Warp());
  machine.ready.clear();
  machine.block_start = ++machine.now;
  for (unsigned i = 0; i < count; ++i) {
    machine.threads[i].fiber.start(enter, i);
    machine.threads[i].copies = {};
    machine.ready.push_back(i);
  }
  machine.running = true;
  while (!machine.ready.empty() && machine.error.empty()) {
    machine.current = simt_thread_index.x = next_ready();
    machine.threads[machine.current].fiber.resume();
  }
  machine.running = false;
  if (machine.error.empty() && machine.finished < count) machine.error = deadlock();
}

int meet_block(int value, Where where) {
  ++statistics.barriers;
  if (machine.finished > 0) fail("waits at the barrier in " + at(where) + " for threads that are done");
  if (machine.waiting > 0 && !(machine.barrier == where)) {
    fail("threads meet at different barriers, in " + at(machine.barrier) + " and " + at(where));
  }
  machine.barrier = where;
  Thread& own = machine.threads[machine.current];
  own.value = value;
  if (++machine.waiting < machine.count) {
    pause();
    return machine.threads[machine.current].value;
  }
  int total = 0;
  for (unsigned i = 0; i < machine.count; ++i) total += machine.threads[i].value;
  for (unsigned i = 0; i < machine.count; ++i) {
    machine.threads[i].value = total;
    if (i != machine.current) machine.ready.push_back(i);
  }
  machine.waiting = 0;
  ++machine.now;
  return total;
}

void meet(const char* kind, unsigned mask, Where where, void* payload, void (*finish)(void**, unsigned)) {
  Warp& warp = own_warp();
  unsigned lane = machine.current % kWarp;
  if (!(mask >> lane & 1)) fail(std::string("a lane that the mask leaves out calls the ") + kind + " in " + at(where));
  if (warp.arrived != 0 && (warp.kind != kind || warp.mask != mask || !(warp.where == where))) {
    fail(std::string("lanes of a warp diverge: some meet at the ") + warp.kind + " in " + at(warp.where) +
         ", others at the " + kind + " in " + at(where));
  }
  warp.kind = kind;
  warp.mask = mask;
  warp.where = where;
  warp.payloads[lane] = payload;
  warp.arrived |= 1u << lane;
  if (warp.arrived != mask) return pause();
  finish(warp.payloads, mask);
  warp.arrived = 0;
  for (unsigned i = 0; i < kWarp; ++i) {
    if ((mask >> i & 1) && i != lane) machine.ready.push_back(machine.current / kWarp * kWarp + i);
  }
}

void meet_warp(unsigned mask, Where where) {
  meet("__syncwarp", mask, where, nullptr, [](void**, unsigned) { ++own_warp().turn; });
}

unsigned ballot(unsigned mask, bool predicate, Where where) {
  struct Payload {
    bool in;
    unsigned out;
  } payload = {predicate, 0};
  ++statistics.ballots;
  meet("ballot", mask, where, &payload, [](void** payloads, unsigned mask) {
    unsigned votes = 0;
    for (unsigned i = 0; i < kWarp; ++i) {
      if (mask >> i & 1) votes |= unsigned(static_cast<Payload*>(payloads[i])->in) << i;
    }
    for (unsigned i = 0; i < kWarp; ++i) {
      if (mask >> i & 1) static_cast<Payload*>(payloads[i])->out = votes;
    }
  });
  return payload.out;
}

uint64_t shuffle(unsigned mask, uint64_t bits, int from, Where where) {
  struct Payload {
    uint64_t in, out;
    int from;
  } payload = {bits, 0, from};
  ++statistics.shuffles;
  if (from < 0 || from >= int(kWarp) || !(mask >> from & 1)) {
    fail("takes the number of lane " + std::to_string(from) + ", which the shuffle in " + at(where) + " leaves out");
  }
  meet("shuffle", mask, where, &payload, [](void** payloads, unsigned mask) {
    for (unsigned i = 0; i < kWarp; ++i) {
      if (!(mask >> i & 1)) continue;
      auto* own = static_cast<Payload*>(payloads[i]);
      own->out = static_cast<Payload*>(payloads[own->from])->in;
    }
  });
  return payload.out;
}

}  // namespace simt
