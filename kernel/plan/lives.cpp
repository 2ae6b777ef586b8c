#include "kernel/plan/lives.h"

#include <algorithm>

namespace corral::plan {
namespace {

Clock earlier(Clock a, const Clock& b) {
  for (size_t s = 0; s < kMostStreams; ++s) a[s] = std::min(a[s], b[s]);
  return a;
}

Clock later(Clock a, const Clock& b) {
  for (size_t s = 0; s < kMostStreams; ++s) a[s] = std::max(a[s], b[s]);
  return a;
}

// By tensor: the first node that writes it, if that node overwrites it; none if it updates the tensor or adds to it.
std::vector<uint32_t> beginnings(const Graph& g) {
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> first(g.tensors.size(), kNone);
  std::vector<bool> met(g.tensors.size());
  for (uint32_t i = 0; i < g.nodes.size(); ++i) {
    const Node& n = g.nodes[i];
    for (const TensorId t : n.inputs) met[t] = true;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      if (!met[t] && (n.accumulate >> k & 1) == 0) first[t] = i;
      met[t] = true;
    }
  }
  return first;
}

}  // namespace

void Life::include(const Life& other) {
  after = earlier(after, other.after);
  until = later(until, other.until);
}

std::vector<std::vector<Life>> lives_of(const Graph& g, const Schedule& schedule) {
  const size_t tensors = g.tensors.size();
  std::vector<std::vector<Life>> lives(schedule.slots * tensors);
  const std::vector<uint32_t> beginning = beginnings(g);
  const std::vector<bool> shared = shared_by_slots(g);
  std::vector<Clock> reached(schedule.streams, Clock{}), ends(schedule.actions.size());
  for (size_t a = 0; a < schedule.actions.size(); ++a) {
    const Action& action = schedule.actions[a];
    Clock& clock = reached[action.stream];
    for (const uint32_t w : action.waits) clock = later(clock, ends[w]);
    for (size_t i = 0; i < operations(action); ++i) {
      const Clock after = clock;
      Clock until{};
      until[action.stream] = ++clock[action.stream];
      for_each_use(g, action, i, [&](TensorId t, bool writes) {
        std::vector<Life>& all = lives[(shared[t] ? 0 : action.slot) * tensors + t];
        const bool begins = writes && !action.nodes.empty() && beginning[t] == action.nodes[i];
        if (all.empty() || (begins && !shared[t]))
          all.push_back({after, until});
        else
          all.back().include({after, until});
      });
    }
    ends[a] = clock;
  }
  Clock end{};
  for (const Clock& clock : reached) end = later(end, clock);
  for (const auto* ports : {&g.inputs, &g.outputs})
    for (const Port& p : *ports)
      for (size_t slot = 0; slot < (shared[p.tensor] ? 1 : schedule.slots); ++slot) lives[slot * tensors + p.tensor] = {{Clock{}, end}};
  return lives;
}

}  // namespace corral::plan
