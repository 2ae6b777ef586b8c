// The work of one rank as a list of actions on streams. An action runs after all earlier actions of its stream and after its `waits`.
#pragma once

#include <cstdint>
#include <vector>

#include "corral/graph.h"

namespace corral::plan {

constexpr uint32_t kMostStreams = 4;

enum class ActionKind : uint8_t {
  kRun,         // launches nodes in order
  kCopy,        // `from` to `to`
  kCollective,  // one node, by all ranks of a communicator
  kSend,        // `from` to the rank `peer`
  kReceive,     // `to` from the rank `peer`
};

struct Action {
  ActionKind kind = ActionKind::kRun;
  std::vector<uint32_t> nodes{};  // of kRun and kCollective
  TensorId from = 0, to = 0;
  uint32_t peer = 0;
  uint32_t stream = 0;
  uint32_t slot = 0;              // the micro-batch in flight; each slot has its own memory for activations
  std::vector<uint32_t> waits{};  // earlier actions of other streams, by number
};

struct Schedule {
  std::vector<Action> actions;
  uint32_t streams = 1, slots = 1;
};

// All nodes of a graph in their order, on one stream.
Schedule in_order(const Graph& g);

// Throws a bug if an action names a stream, slot or node that does not exist, or waits for an action that does not precede it.
void check(const Graph& g, const Schedule& schedule);

// By tensor: true if all slots share it. Shared are states, and tensors that are computed once a step (`when` FIRST or LAST).
std::vector<bool> shared_by_slots(const Graph& g);

// Calls use(tensor, writes) for each operand of the action's operation number `i`: of its node number `i`, where it has nodes.
template <class Use>
void for_each_use(const Graph& g, const Action& action, size_t i, Use use) {
  if (action.nodes.empty()) {
    if (action.from) use(action.from, false);
    if (action.to) use(action.to, true);
    return;
  }
  const Node& n = g.nodes[action.nodes[i]];
  for (const TensorId t : n.inputs)
    if (t) use(t, false);
  for (const TensorId t : n.outputs)
    if (t) use(t, true);
}

// Operations of an action: a launch each, or the one copy or exchange.
inline size_t operations(const Action& action) { return action.kind == ActionKind::kRun ? action.nodes.size() : 1; }

}  // namespace corral::plan
