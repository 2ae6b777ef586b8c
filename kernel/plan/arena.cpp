#include "kernel/plan/arena.h"

#include <algorithm>
#include <array>
#include <unordered_map>
#include <utility>

#include "corral/error.h"
#include "kernel/passes/accumulation.h"
#include "kernel/plan/place.h"

namespace corral::plan {
namespace {

uint64_t size_of(const Graph& g, TensorId t) { return aligned(bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape))); }

// Bytes of a state in its place: within a group, or alone.
uint64_t room_of(const Graph& g, TensorId t, bool grouped) {
  return grouped ? bytes_of(g.tensors[t].dtype, group_elements(g, t)) : size_of(g, t);
}

// By tensor: true for gradients that each step makes anew; these are placed among its activations. The members of a group are placed
// together, and only without padding between them, as no step writes the padding.
std::vector<bool> made_anew(const Graph& g) {
  std::vector<bool> made = passes::made_within_step(g);
  for (const Group& group : g.groups) {
    const bool all = std::all_of(group.members.begin(), group.members.end(),
                                 [&](TensorId t) { return made[t] && group_elements(g, t) == elements(g.tensors[t].shape); });
    for (const TensorId t : group.members) made[t] = all;
    made[group.tensor] = all;
  }
  return made;
}

constexpr std::array kKinds{"parameters", "gradients", "masters", "moments", "caches", "statistics"};

class Planner {
 public:
  // Places the states that outlive a step from offset 0 up, groups first. `made` marks the states that do not outlive it.
  void place_states(const Graph& g, const std::vector<bool>& made, std::vector<uint64_t>& offsets) {
    std::vector<StateKind> kinds(g.tensors.size());
    for (const State& s : g.states) kinds[s.tensor] = s.kind;
    for (const Group& group : g.groups) {
      if (made[group.tensor]) continue;
      uint64_t at = Arena::kAbsent;
      for (const TensorId t : group.members) {
        place_state(g, t, kinds[t], room_of(g, t, true), offsets);
        if (at == Arena::kAbsent) at = offsets[t];
        if (offsets[t] != at) fail_bug("memory plan: another graph placed \"{}\" outside its group", name_of(g, t));
        at += room_of(g, t, true);
      }
      offsets[group.tensor] = offsets[group.members[0]];
    }
    for (const State& s : g.states)
      if (!made[s.tensor]) place_state(g, s.tensor, s.kind, room_of(g, s.tensor, false), offsets);
  }

  // Places all other tensors above the states.
  void place_rest(const Graph& g, const Schedule& schedule, const std::vector<bool>& made, std::vector<uint64_t>& offsets) {
    std::vector<bool> outlives(g.tensors.size()), is_state(g.tensors.size());
    for (const State& s : g.states) is_state[s.tensor] = true;
    for (const Group& group : g.groups) is_state[group.tensor] = true;
    for (TensorId t = 1; t < g.tensors.size(); ++t) outlives[t] = is_state[t] && !made[t];
    const std::vector<std::vector<Life>> lives = lives_of(g, schedule);
    std::vector<uint64_t> placed(lives.size(), Arena::kAbsent);
    const uint64_t all = place(blocks(g, lives, outlives), kAlignment, placed);
    for (const Group& group : g.groups) {
      uint64_t at = placed[group.tensor];
      if (at == Arena::kAbsent) continue;
      for (const TensorId t : group.members) {
        placed[t] = at;
        at += room_of(g, t, true);
      }
    }
    for (size_t i = 0; i < placed.size(); ++i)
      if (placed[i] != Arena::kAbsent) offsets[i] = top_ + placed[i];
    const bool any_made = std::find(made.begin(), made.end(), true) != made.end();
    activations_ = std::max(activations_, any_made ? place(blocks(g, lives, is_state), kAlignment, placed) : all);
    with_made_ = std::max(with_made_, all);
  }

  // Sets the totals of an arena whose offsets are known.
  void finish(Arena& arena, const std::vector<uint64_t>& workspaces) {
    // Gradients among the activations count with the bytes that they add to them.
    const uint64_t activations = std::min(activations_, with_made_);
    by_kind_[static_cast<size_t>(StateKind::GRADIENT)] += with_made_ - activations;
    arena.states = top_;
    arena.total = top_ + with_made_;
    uint64_t workspace = 0;
    for (const uint64_t bytes : workspaces) {
      arena.workspaces.push_back(arena.total);
      arena.total += aligned(bytes);
      workspace += aligned(bytes);
    }
    for (size_t k = 0; k < kKinds.size(); ++k)
      if (by_kind_[k]) arena.classes.push_back({kKinds[k], by_kind_[k]});
    arena.classes.push_back({"activations", activations});
    arena.classes.push_back({"workspace", workspace});
  }

 private:
  struct Shared {
    uint64_t offset;
    DType dtype;
    Shape shape;
  };

  void place_state(const Graph& g, TensorId id, StateKind kind, uint64_t room, std::vector<uint64_t>& offsets) {
    if (offsets[id] != Arena::kAbsent) return;
    const Tensor& t = g.tensors[id];
    const auto [it, added] = shared_.emplace(g.names[t.name], Shared{top_, t.dtype, t.shape});
    if (!added && (it->second.dtype != t.dtype || it->second.shape != t.shape))
      fail_bug("memory plan: two graphs disagree about the state \"{}\"", g.names[t.name]);
    offsets[id] = it->second.offset;
    if (!added) return;
    top_ += room;
    by_kind_[std::min(static_cast<size_t>(kind), kKinds.size() - 1)] += room;
  }

  // One block for each tensor in each slot, except the tensors in `without`. A group is one block, live as long as any of its members.
  static std::vector<Block> blocks(const Graph& g, std::vector<std::vector<Life>> lives, const std::vector<bool>& without) {
    for (const Group& group : g.groups) {
      std::vector<Life>& whole = lives[group.tensor];
      for (const TensorId t : group.members)
        for (const Life& life : std::exchange(lives[t], {}))
          if (whole.empty())
            whole.push_back(life);
          else
            whole[0].include(life);
    }
    std::vector<Block> result;
    for (size_t i = 0; i < lives.size(); ++i)
      if (const auto t = static_cast<TensorId>(i % g.tensors.size()); !lives[i].empty() && !without[t])
        result.push_back({size_of(g, t), std::move(lives[i]), {i}});
    return result;
  }

  std::unordered_map<std::string, Shared> shared_;
  std::array<uint64_t, kKinds.size()> by_kind_{};
  uint64_t top_ = 0, activations_ = 0, with_made_ = 0;
};

}  // namespace

Arena plan_arena(const std::vector<Scheduled>& graphs, const std::vector<uint64_t>& workspaces) {
  Planner planner;
  Arena arena;
  std::vector<std::vector<bool>> made;
  for (const auto& [graph, schedule] : graphs) {
    check(*graph, *schedule);
    arena.slots.push_back(schedule->slots);
    planner.place_states(*graph, made.emplace_back(made_anew(*graph)),
                         arena.offsets.emplace_back(schedule->slots * graph->tensors.size(), Arena::kAbsent));
  }
  for (size_t i = 0; i < graphs.size(); ++i) {
    const auto& [graph, schedule] = graphs[i];
    std::vector<uint64_t>& offsets = arena.offsets[i];
    planner.place_rest(*graph, *schedule, made[i], offsets);
    const size_t tensors = graph->tensors.size();
    const std::vector<bool> shared = shared_by_slots(*graph);
    for (size_t at = tensors; at < offsets.size(); ++at)
      if (shared[at % tensors]) offsets[at] = offsets[at % tensors];
  }
  planner.finish(arena, workspaces);
  return arena;
}

Arena plan_in_order(const std::vector<const Graph*>& graphs, uint64_t workspace) {
  std::vector<Schedule> schedules;
  for (const Graph* g : graphs) schedules.push_back(in_order(*g));
  std::vector<Scheduled> scheduled;
  for (size_t i = 0; i < graphs.size(); ++i) scheduled.push_back({graphs[i], &schedules[i]});
  return plan_arena(scheduled, {workspace});
}

}  // namespace corral::plan
