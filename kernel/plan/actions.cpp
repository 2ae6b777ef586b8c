#include "kernel/plan/actions.h"

#include <numeric>

#include "corral/error.h"

namespace corral::plan {

Schedule in_order(const Graph& g) {
  Schedule s;
  s.actions.emplace_back().nodes.resize(g.nodes.size());
  std::iota(s.actions[0].nodes.begin(), s.actions[0].nodes.end(), 0u);
  return s;
}

void check(const Graph& g, const Schedule& schedule) {
  if (schedule.streams == 0 || schedule.streams > kMostStreams) fail_bug("schedule: {} streams: 1 to {}", schedule.streams, kMostStreams);
  for (size_t i = 0; i < schedule.actions.size(); ++i) {
    const Action& a = schedule.actions[i];
    if (a.stream >= schedule.streams) fail_bug("schedule: action {} on stream {} of {}", i, a.stream, schedule.streams);
    if (a.slot >= schedule.slots) fail_bug("schedule: action {} of slot {} of {}", i, a.slot, schedule.slots);
    for (const uint32_t n : a.nodes)
      if (n >= g.nodes.size()) fail_bug("schedule: action {} has node {} of {}", i, n, g.nodes.size());
    for (const uint32_t w : a.waits)
      if (w >= i) fail_bug("schedule: action {} waits for action {}, which is not before it", i, w);
  }
}

std::vector<bool> shared_by_slots(const Graph& g) {
  std::vector<bool> shared(g.tensors.size());
  for (const State& s : g.states) shared[s.tensor] = true;
  for (const Group& group : g.groups) shared[group.tensor] = true;
  for (const Node& n : g.nodes)
    if (n.when != When::EVERY || n.phase == Phase::UPDATE)
      for (const TensorId t : n.outputs) shared[t] = true;
  return shared;
}

}  // namespace corral::plan
