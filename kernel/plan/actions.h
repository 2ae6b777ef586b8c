// The work of one rank as a list of actions on streams. An action runs after earlier ones of its stream and after those that it waits for.
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
  uint32_t slot = 0;              // of the micro-batch in flight: its tensors have memory of their own
  std::vector<uint32_t> waits{};  // earlier actions of other streams, by number
};

struct Schedule {
  std::vector<Action> actions;
  uint32_t streams = 1, slots = 1;
};

// All nodes of a graph in their order, on one stream.
Schedule in_order(const Graph& g);

// Throws a bug where an action names a stream, slot or node that is not there, or waits for one that is not before it.
void check(const Graph& g, const Schedule& schedule);

// Tensors that all slots share, by tensor: states, and what is made once a step: before the first micro-batch or after the last.
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
