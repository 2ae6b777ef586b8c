// Where every tensor of a run stands: one arena over all programs, laid out before the first step.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "corral/graph.h"

namespace corral::passes {

constexpr uint64_t kAlignment = 64;

struct MemoryClass {
  std::string name;  // parameters, gradients, masters, moments, caches, activations, workspace
  uint64_t bytes = 0;
};

struct MemoryPlan {
  // Offset in the arena, by graph and tensor; kAbsent where a tensor is not used.
  static constexpr uint64_t kAbsent = UINT64_MAX;
  std::vector<std::vector<uint64_t>> offsets;
  uint64_t workspace = 0;  // offset
  uint64_t total = 0;      // bytes of the arena
  std::vector<MemoryClass> classes;
};

// States are placed once and shared by name between the graphs; tensors of different graphs overlap, because one runs at a time; within a
// graph a tensor stands from its first write to its last read, inputs and outputs always, and so does a gradient that a step makes anew.
// Members of a group are side by side, and the tensor of the group has the address of the first.
// Throws a bug where graphs disagree about a state.
MemoryPlan plan_memory(const std::vector<const Graph*>& graphs, uint64_t workspace_bytes);

}  // namespace corral::passes
