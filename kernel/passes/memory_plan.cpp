#include "kernel/passes/memory_plan.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "corral/error.h"
#include "kernel/graph/uses.h"
#include "kernel/passes/accumulation.h"

namespace corral::passes {
namespace {

uint64_t aligned(uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }

uint64_t size_of(const Graph& g, TensorId t) { return aligned(bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape))); }

// Bytes of a state where it is placed: within a group, or alone.
uint64_t room_of(const Graph& g, TensorId t, bool grouped) {
  return grouped ? bytes_of(g.tensors[t].dtype, group_elements(g, t)) : size_of(g, t);
}

// True for gradients that each step makes anew: they are placed among its activations. The members of a group are placed so together, and
// only if no zeros are between them: no step writes these.
std::vector<bool> passing_states(const Graph& g) {
  std::vector<bool> passing = made_within_step(g);
  for (const Group& group : g.groups) {
    const bool all = std::all_of(group.members.begin(), group.members.end(),
                                 [&](TensorId t) { return passing[t] && group_elements(g, t) == elements(g.tensors[t].shape); });
    for (const TensorId t : group.members) passing[t] = all;
    passing[group.tensor] = all;
  }
  return passing;
}

struct Interval {
  TensorId tensor;
  uint64_t bytes;
  size_t begin, end;  // first write and last read, as numbers of nodes
};

std::vector<Interval> lifetimes(const Graph& g, const graph::Uses& uses, const std::vector<bool>& stands) {
  std::vector<TensorId> whole(g.tensors.size());  // the group of a tensor, or itself
  std::iota(whole.begin(), whole.end(), 0);
  for (const Group& group : g.groups)
    for (const TensorId t : group.members) whole[t] = group.tensor;
  std::vector<bool> throughout(g.tensors.size());
  for (const auto* ports : {&g.inputs, &g.outputs})
    for (const Port& p : *ports) throughout[p.tensor] = true;
  std::vector<Interval> lives(g.tensors.size(), {0, 0, graph::Uses::kNone, 0});
  for (TensorId t = 1; t < g.tensors.size(); ++t) {
    if (stands[t] || (!throughout[t] && uses.first(t) == graph::Uses::kNone)) continue;
    Interval& life = lives[whole[t]];
    life.begin = std::min(life.begin, throughout[t] ? 0 : uses.first(t));
    life.end = std::max(life.end, throughout[t] ? g.nodes.size() : uses.last(t));
  }
  std::vector<Interval> result;
  for (TensorId t = 1; t < lives.size(); ++t)
    if (lives[t].begin != graph::Uses::kNone) result.push_back({t, size_of(g, t), lives[t].begin, lives[t].end});
  return result;
}

// Largest first, each at the lowest gap that is free during its life.
uint64_t place(std::vector<Interval> intervals, std::vector<uint64_t>& offsets) {
  std::stable_sort(intervals.begin(), intervals.end(), [](const Interval& a, const Interval& b) { return a.bytes > b.bytes; });
  struct Placed {
    size_t begin, end;
    uint64_t from, to;
  };
  std::vector<Placed> placed, rivals;
  uint64_t top = 0;
  for (const Interval& i : intervals) {
    rivals.clear();
    for (const Placed& p : placed)
      if (p.begin <= i.end && i.begin <= p.end) rivals.push_back(p);
    std::sort(rivals.begin(), rivals.end(), [](const Placed& a, const Placed& b) { return a.from < b.from; });
    uint64_t at = 0, best = UINT64_MAX, best_gap = UINT64_MAX;
    for (const Placed& r : rivals) {
      if (r.from >= at + i.bytes && r.from - at < best_gap) {
        best = at;
        best_gap = r.from - at;
      }
      at = std::max(at, r.to);
    }
    if (best == UINT64_MAX) best = at;
    offsets[i.tensor] = best;
    placed.push_back({i.begin, i.end, best, best + i.bytes});
    top = std::max(top, best + i.bytes);
  }
  return top;
}

constexpr std::array kKinds{"parameters", "gradients", "masters", "moments", "caches", "statistics"};

}  // namespace

MemoryPlan plan_memory(const std::vector<const Graph*>& graphs, uint64_t workspace_bytes) {
  MemoryPlan plan;
  std::array<uint64_t, kKinds.size()> by_kind{};
  struct Shared {
    uint64_t offset;
    DType dtype;
    Shape shape;
  };
  std::unordered_map<std::string, Shared> shared;
  uint64_t top = 0;
  for (const Graph* g : graphs) {
    std::vector<uint64_t>& offsets = plan.offsets.emplace_back(g->tensors.size(), MemoryPlan::kAbsent);
    const std::vector<bool> passing = passing_states(*g);
    std::vector<StateKind> kinds(g->tensors.size());
    for (const State& s : g->states) kinds[s.tensor] = s.kind;
    const auto place_state = [&](TensorId id, bool grouped) {
      if (passing[id] || offsets[id] != MemoryPlan::kAbsent) return;
      const Tensor& t = g->tensors[id];
      const auto [it, added] = shared.emplace(g->names[t.name], Shared{top, t.dtype, t.shape});
      if (!added && (it->second.dtype != t.dtype || it->second.shape != t.shape))
        fail_bug("memory plan: two graphs disagree about the state \"{}\"", g->names[t.name]);
      offsets[id] = it->second.offset;
      if (!added) return;
      top += room_of(*g, id, grouped);
      by_kind[std::min(static_cast<size_t>(kinds[id]), kKinds.size() - 1)] += room_of(*g, id, grouped);
    };
    for (const Group& group : g->groups) {
      uint64_t at = top;
      for (const TensorId t : group.members) {
        place_state(t, true);
        if (!passing[t] && offsets[t] != at) fail_bug("memory plan: another graph placed \"{}\" outside its group", name_of(*g, t));
        at += room_of(*g, t, true);
      }
      if (!passing[group.tensor]) offsets[group.tensor] = offsets[group.members[0]];
    }
    for (const State& s : g->states) place_state(s.tensor, false);
  }
  uint64_t activations = 0, passing = 0;
  for (size_t i = 0; i < graphs.size(); ++i) {
    const Graph& g = *graphs[i];
    std::vector<bool> stands(g.tensors.size());
    for (const State& s : g.states) stands[s.tensor] = true;
    for (const Group& group : g.groups) stands[group.tensor] = true;
    std::vector<uint64_t> offsets(g.tensors.size(), MemoryPlan::kAbsent), scratch = offsets;
    const graph::Uses uses(g);
    const uint64_t alone = place(lifetimes(g, uses, stands), scratch);
    const std::vector<bool> passes = passing_states(g);
    for (const State& s : g.states) stands[s.tensor] = !passes[s.tensor];
    for (const Group& group : g.groups) stands[group.tensor] = !passes[group.tensor];
    passing = std::max(passing, place(lifetimes(g, uses, stands), offsets));
    for (const Group& group : g.groups) {
      if (!passes[group.tensor]) continue;
      uint64_t at = offsets[group.tensor];
      for (const TensorId t : group.members) {
        offsets[t] = at;
        at += room_of(g, t, true);
      }
    }
    activations = std::max(activations, alone);
    for (TensorId t = 1; t < offsets.size(); ++t)
      if (offsets[t] != MemoryPlan::kAbsent) plan.offsets[i][t] = top + offsets[t];
  }
  // Gradients that stand among activations count with what they take beyond these.
  activations = std::min(activations, passing);
  by_kind[static_cast<size_t>(StateKind::GRADIENT)] += passing - activations;
  plan.workspace = top + passing;
  plan.total = plan.workspace + aligned(workspace_bytes);
  for (size_t k = 0; k < kKinds.size(); ++k)
    if (by_kind[k]) plan.classes.push_back({kKinds[k], by_kind[k]});
  plan.classes.push_back({"activations", activations});
  plan.classes.push_back({"workspace", aligned(workspace_bytes)});
  return plan;
}

}  // namespace corral::passes
