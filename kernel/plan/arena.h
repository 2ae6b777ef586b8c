// The memory plan of a run: one arena for all graphs, laid out before the first step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/plan/actions.h"

namespace corral::plan {

constexpr uint64_t kAlignment = 64;
constexpr uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

struct MemoryClass {
  std::string name;  // parameters, gradients, masters, moments, caches, statistics, activations, workspace
  uint64_t bytes = 0;
};

struct Arena {
  static constexpr uint64_t kAbsent = UINT64_MAX;
  // Offset by graph, then by slot * tensors + tensor; kAbsent for a tensor that nothing uses.
  std::vector<std::vector<uint64_t>> offsets;
  std::vector<uint64_t> workspaces;  // offset by stream
  uint64_t states = 0;               // bytes at the begin of the arena that outlive a step
  uint64_t total = 0;                // bytes
  std::vector<MemoryClass> classes;

  std::vector<uint32_t> slots;  // by graph

  // A tensor that slots share has the same offset in each of them.
  uint64_t offset(size_t graph, TensorId t, size_t slot = 0) const {
    return offsets[graph][slot * (offsets[graph].size() / slots[graph]) + t];
  }
};

struct Scheduled {
  const Graph* graph;
  const Schedule* schedule;
};

// Places all tensors of the graphs. Graphs share states by name. Tensors of different graphs overlap, as one graph runs at a time. Within a
// graph, tensors overlap if the schedule separates their lives (lives.h); so do gradients that each step makes anew. The members of a group
// are side by side, and the tensor of the group has the address of the first. `workspaces` contains the bytes of each stream. Throws a bug
// if graphs disagree about a state.
Arena plan_arena(const std::vector<Scheduled>& graphs, const std::vector<uint64_t>& workspaces);

// The same with all nodes of each graph in their order on one stream.
Arena plan_in_order(const std::vector<const Graph*>& graphs, uint64_t workspace);

}  // namespace corral::plan
