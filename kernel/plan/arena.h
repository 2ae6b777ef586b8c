// Where every tensor of a run is stored: one arena over all programs, laid out before the first step.
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
  // By graph, then slot * tensors + tensor; kAbsent where a tensor is not used.
  std::vector<std::vector<uint64_t>> offsets;
  std::vector<uint64_t> workspaces;  // offset by stream
  uint64_t states = 0;               // bytes from the bottom up that outlive a step
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

// States are placed once and shared by name between the graphs. Tensors of different graphs overlap, because one graph runs at a time;
// within a graph those overlap that the schedule orders (lives.h), and a gradient that a step makes anew is one of them. Members of a
// group are side by side, and the tensor of the group has the address of the first. `workspaces`:
// bytes by stream. Throws a bug where graphs disagree about a state.
Arena plan_arena(const std::vector<Scheduled>& graphs, const std::vector<uint64_t>& workspaces);

// The same, all nodes of each graph in their order on one stream.
Arena plan_in_order(const std::vector<const Graph*>& graphs, uint64_t workspace);

}  // namespace corral::plan
