// Random schedules of a graph that are right: every use of a tensor waits for those before it.
#pragma once

#include <algorithm>
#include <map>
#include <random>

#include "kernel/plan/actions.h"

namespace corral {

// Mixes the actions of `micro_batches` runs of the graph, `slots` of them in flight, on up to `streams` streams; the update comes last.
// Nodes for the last micro-batch alone are left out. `forget`: the number of a needed wait that is left out, too.
inline plan::Schedule random_schedule(const Graph& g, uint64_t seed, uint32_t streams, uint32_t slots, uint32_t micro_batches,
                                      size_t forget = SIZE_MAX) {
  std::mt19937_64 random(seed);
  const auto below = [&](size_t n) { return static_cast<uint32_t>(random() % n); };
  plan::Schedule s;
  s.streams = streams;
  s.slots = slots;
  std::vector<std::vector<uint32_t>> nodes(micro_batches);  // yet to do
  std::vector<uint32_t> update;
  for (uint32_t n = 0; n < g.nodes.size(); ++n) {
    if (g.nodes[n].phase == Phase::UPDATE) update.push_back(n);
    for (uint32_t m = 0; m < micro_batches; ++m) {
      const bool here = g.nodes[n].when == When::EVERY || (g.nodes[n].when == When::FIRST && m == 0);
      if (g.nodes[n].phase != Phase::UPDATE && here) nodes[m].push_back(n);
    }
  }
  std::vector<size_t> done(micro_batches);
  const auto add = [&](const std::vector<uint32_t>& from, size_t begin, size_t count, uint32_t slot) {
    plan::Action& a = s.actions.emplace_back();
    a.nodes.assign(from.begin() + static_cast<std::ptrdiff_t>(begin), from.begin() + static_cast<std::ptrdiff_t>(begin + count));
    a.stream = below(streams);
    a.slot = slot;
  };
  for (uint32_t first = 0; first < micro_batches;) {
    if (done[first] == nodes[first].size()) {
      ++first;
      continue;
    }
    // A later micro-batch begins when the one whose slot it takes is done; the first of all prepares what the others use.
    const uint32_t last = done[0] == 0 ? 0 : std::min(first + slots, micro_batches) - 1;
    const uint32_t m = first + below(last - first + 1);
    if (done[m] == nodes[m].size()) continue;
    const size_t count = std::min<size_t>(1 + below(6), nodes[m].size() - done[m]);
    add(nodes[m], done[m], count, m % slots);
    done[m] += count;
  }
  if (!update.empty()) add(update, 0, update.size(), 0);

  // Read after write, write after read, write after write of each tensor.
  const std::vector<bool> shared = plan::shared_by_slots(g);
  struct Uses {
    uint32_t writer = UINT32_MAX;
    std::vector<uint32_t> readers;
  };
  std::map<std::pair<TensorId, uint32_t>, Uses> uses;
  size_t needed = 0;
  for (uint32_t i = 0; i < s.actions.size(); ++i) {
    plan::Action& a = s.actions[i];
    std::vector<bool> waits(i);
    const auto wait_for = [&](uint32_t earlier) {
      if (earlier < i && s.actions[earlier].stream != a.stream) waits[earlier] = true;
    };
    for (size_t k = 0; k < plan::operations(a); ++k)
      plan::for_each_use(g, a, k, [&](TensorId t, bool writes) {
        Uses& u = uses[{t, shared[t] ? 0 : a.slot}];
        wait_for(u.writer);
        if (writes) {
          for (const uint32_t reader : u.readers) wait_for(reader);
          u = {i, {}};
        } else {
          u.readers.push_back(i);
        }
      });
    for (uint32_t w = 0; w < i; ++w)
      if (waits[w] && needed++ != forget) a.waits.push_back(w);
  }
  return s;
}

}  // namespace corral
