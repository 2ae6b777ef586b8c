// Memory over random schedules, against a check by brute force: whatever order the waits leave open, no tensor is overwritten that is still
// read.
#include <gtest/gtest.h>

#include "kernel/passes/autodiff.h"
#include "kernel/plan/arena.h"
#include "kernel/plan/lives.h"
#include "tests/unit/passes_small_model.h"
#include "tests/unit/random_schedule.h"

namespace corral {
namespace {

struct Operation {
  uint32_t action, node, stream, slot;
  std::vector<std::pair<TensorId, bool>> uses;
  std::vector<bool> before;  // operations that surely run before this one
};

std::vector<Operation> operations_of(const Graph& g, const plan::Schedule& s) {
  std::vector<Operation> all;
  for (uint32_t a = 0; a < s.actions.size(); ++a)
    for (size_t i = 0; i < plan::operations(s.actions[a]); ++i) {
      Operation& o = all.emplace_back(Operation{a, s.actions[a].nodes[i], s.actions[a].stream, s.actions[a].slot, {}, {}});
      plan::for_each_use(g, s.actions[a], i, [&](TensorId t, bool writes) { o.uses.emplace_back(t, writes); });
    }
  for (size_t i = 0; i < all.size(); ++i) {
    all[i].before.resize(all.size());
    const std::vector<uint32_t>& waits = s.actions[all[i].action].waits;
    for (size_t j = 0; j < i; ++j) {
      if (all[j].stream != all[i].stream && std::find(waits.begin(), waits.end(), all[j].action) == waits.end()) continue;
      all[i].before[j] = true;
      for (size_t k = 0; k < j; ++k) all[i].before[k] = all[i].before[k] || all[j].before[k];
    }
  }
  return all;
}

// A sentence on the first tensor whose bytes another one may overwrite between a write and the next use; "" where there is none.
// `pairs` counts the overlaps that were looked at.
std::string overwritten(const Graph& g, const plan::Schedule& s, const plan::Arena& arena, size_t& pairs) {
  const std::vector<Operation> all = operations_of(g, s);
  const std::vector<bool> shared = plan::shared_by_slots(g);
  const auto instance = [&](const Operation& o, TensorId t) { return std::pair{t, shared[t] ? 0 : o.slot}; };
  const auto bytes = [&](TensorId t) { return bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape)); };
  std::vector<bool> persists(g.tensors.size());
  for (const State& st : g.states) persists[st.tensor] = true;
  for (const auto* ports : {&g.inputs, &g.outputs})
    for (const Port& p : *ports) persists[p.tensor] = true;
  std::vector<uint32_t> first_writer(g.tensors.size(), UINT32_MAX);
  for (uint32_t n = 0; n < g.nodes.size(); ++n)
    for (const TensorId t : g.nodes[n].outputs) first_writer[t] = std::min(first_writer[t], n);
  for (size_t reader = 0; reader < all.size(); ++reader)
    for (const auto& [t, writes] : all[reader].uses) {
      if (writes && first_writer[t] == all[reader].node) continue;
      // The last write in the schedule's order. Of what outlives the schedule, the time before all of it.
      size_t made = SIZE_MAX;
      for (size_t w = 0; w < reader && !persists[t]; ++w)
        for (const auto& [u, wrote] : all[w].uses)
          if (wrote && instance(all[w], u) == instance(all[reader], t)) made = w;
      for (size_t other = 0; other < all.size(); ++other)
        for (const auto& [u, wrote] : all[other].uses) {
          if (!wrote || instance(all[other], u) == instance(all[reader], t)) continue;
          const uint64_t a = arena.offset(0, t, all[reader].slot), b = arena.offset(0, u, all[other].slot);
          if (a >= b + bytes(u) || b >= a + bytes(t)) continue;
          ++pairs;
          const bool earlier = made != SIZE_MAX && all[made].before[other], later = all[other].before[reader];
          if (!earlier && !later) return name_of(g, u) + " may overwrite " + name_of(g, t);
        }
    }
  return "";
}

plan::Arena plan_of(const Graph& g, const plan::Schedule& s) { return plan::plan_arena({{&g, &s}}, std::vector<uint64_t>(s.streams, 100)); }

TEST(PlanLives, NoTwoTensorsThatAreLiveAtOnceShareBytesOnAnyStreamsAndSlots) {
  const Graph g = passes::autodiff(small_model());
  size_t pairs = 0;
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const uint32_t streams = 1 + seed % 3, slots = 1 + seed / 3 % 3;
    const plan::Schedule s = random_schedule(g, seed, streams, slots, 1 + seed % 5);
    EXPECT_EQ(overwritten(g, s, plan_of(g, s), pairs), "") << "seed " << seed << ", " << streams << " streams, " << slots << " slots";
  }
  EXPECT_GT(pairs, 10000u);  // memory is shared, not only kept apart
}

// The check itself can fail: memory that is planned for one stream is wrong for two, and for one slot wrong for two.
TEST(PlanLives, APlanForFewerStreamsThanRunIsSeen) {
  const Graph g = passes::autodiff(small_model());
  size_t seen = 0, pairs = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const plan::Schedule s = random_schedule(g, seed, 2, 2, 3);
    plan::Schedule one = s;
    for (plan::Action& a : one.actions) a.stream = 0;
    seen += !overwritten(g, s, plan_of(g, one), pairs).empty();
  }
  EXPECT_GE(seen, 15u);
}

TEST(PlanLives, ASlotMoreTakesTheTensorsThatWaitForTheBackwardPassOnceMore) {
  const Graph g = passes::autodiff(small_model());
  const auto activations = [&](uint32_t slots) {
    plan::Schedule s;
    s.slots = slots;
    std::vector<uint32_t> forward, backward;
    for (uint32_t n = 0; n < g.nodes.size(); ++n) (g.nodes[n].phase == Phase::FORWARD ? forward : backward).push_back(n);
    for (const auto* nodes : {&forward, &backward})
      for (uint32_t slot = 0; slot < slots; ++slot) {
        s.actions.emplace_back().nodes = *nodes;
        s.actions.back().slot = slot;
      }
    for (const auto& c : plan_of(g, s).classes)
      if (c.name == "activations") return c.bytes;
    return uint64_t{0};
  };
  const uint64_t one = activations(1), two = activations(2), three = activations(3);
  EXPECT_GT(two, one);
  EXPECT_LT(two, 2 * one);  // the slots share memory that is used within one action only
  EXPECT_LE(three - two, two - one);
}

}  // namespace
}  // namespace corral
