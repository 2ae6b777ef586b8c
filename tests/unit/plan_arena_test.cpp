#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"
#include "kernel/plan/arena.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

using plan::Arena;

void expect_no_overlap(const Graph& g) {
  const Arena plan = plan::plan_in_order({&g}, 1000);
  const auto& offsets = plan.offsets[0];
  std::vector<size_t> first(g.tensors.size(), SIZE_MAX), last(g.tensors.size());
  for (size_t i = 0; i < g.nodes.size(); ++i)
    for (const auto* side : {&g.nodes[i].inputs, &g.nodes[i].outputs})
      for (TensorId t : *side) first[t] = std::min(first[t], i), last[t] = i;
  const std::vector<bool> made = passes::made_within_step(g);
  for (const State& s : g.states)
    if (!made[s.tensor]) first[s.tensor] = 0, last[s.tensor] = SIZE_MAX;
  for (const auto* ports : {&g.inputs, &g.outputs})
    for (const Port& p : *ports) first[p.tensor] = 0, last[p.tensor] = SIZE_MAX;
  size_t pairs = 0;
  for (TensorId a = 1; a < g.tensors.size(); ++a)
    for (TensorId b = a + 1; b < g.tensors.size(); ++b) {
      if (offsets[a] == Arena::kAbsent || offsets[b] == Arena::kAbsent || first[a] > last[b] || first[b] > last[a]) continue;
      const uint64_t end_a = offsets[a] + bytes_of(g.tensors[a].dtype, elements(g.tensors[a].shape));
      const uint64_t end_b = offsets[b] + bytes_of(g.tensors[b].dtype, elements(g.tensors[b].shape));
      EXPECT_TRUE(end_a <= offsets[b] || end_b <= offsets[a]) << name_of(g, a) << " and " << name_of(g, b);
      ++pairs;
    }
  EXPECT_GT(pairs, 100u);
  for (uint64_t offset : offsets)
    if (offset != Arena::kAbsent) {
      EXPECT_EQ(offset % plan::kAlignment, 0u);
    }
}

TEST(MemoryPlan, TensorsThatAreLiveAtOnceDoNotOverlap) {
  const Graph g = passes::autodiff(small_model());
  expect_no_overlap(g);
  expect_no_overlap(passes::write_gradients(g));
}

// Activations of the last layer are dead before the first layer's gradients are written.
TEST(MemoryPlan, GradientsOfOneMicroBatchReuseTheMemoryOfActivations) {
  const Graph g = passes::autodiff(small_model(false, 64, 4)), alone = passes::write_gradients(g);
  const Arena before = plan::plan_in_order({&g}, 0), after = plan::plan_in_order({&alone}, 0);
  const auto bytes = [](const Arena& plan, const std::string& name) {
    for (const auto& c : plan.classes)
      if (c.name == name) return c.bytes;
    return uint64_t{0};
  };
  EXPECT_LT(bytes(after, "gradients"), bytes(before, "gradients") / 2);
  EXPECT_EQ(bytes(after, "activations"), bytes(before, "activations"));
  EXPECT_EQ(before.total - after.total, bytes(before, "gradients") - bytes(after, "gradients"));
}

TEST(MemoryPlan, ReusesDeadMemoryAndRecomputationNeedsLess) {
  const Graph g = passes::autodiff(small_model()), less = passes::recompute(g, "full", 0);
  const auto activations = [](const Graph& graph) {
    for (const auto& c : plan::plan_in_order({&graph}, 0).classes)
      if (c.name == "activations") return c.bytes;
    return uint64_t{0};
  };
  uint64_t sum = 0;
  for (const Node& n : g.nodes)
    for (TensorId t : n.outputs) sum += bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape));
  EXPECT_LT(activations(g), sum);
  EXPECT_LT(activations(less), activations(g));
}

// The definition in its simplest form: tensors but for states, the largest first, each in the smallest gap between those that are live with
// it.
uint64_t activations_by_intervals(const Graph& g) {
  struct Tensor {
    uint64_t bytes;
    size_t first, last;
    uint64_t offset = 0;
  };
  std::vector<Tensor> tensors;
  for (TensorId t = 1; t < g.tensors.size(); ++t) {
    Tensor x{(bytes_of(g.tensors[t].dtype, elements(g.tensors[t].shape)) + 63) / 64 * 64, SIZE_MAX, 0};
    for (size_t i = 0; i < g.nodes.size(); ++i)
      for (const auto* side : {&g.nodes[i].inputs, &g.nodes[i].outputs})
        if (std::find(side->begin(), side->end(), t) != side->end()) x.first = std::min(x.first, i), x.last = i;
    for (const auto* ports : {&g.inputs, &g.outputs})
      for (const Port& p : *ports)
        if (p.tensor == t) x.first = 0, x.last = SIZE_MAX;
    for (const State& s : g.states)
      if (s.tensor == t) x.first = SIZE_MAX;
    if (x.first != SIZE_MAX) tensors.push_back(x);
  }
  std::stable_sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) { return a.bytes > b.bytes; });
  uint64_t top = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    Tensor& x = tensors[i];
    std::vector<Tensor> beside;
    for (size_t j = 0; j < i; ++j)
      if (tensors[j].first <= x.last && x.first <= tensors[j].last) beside.push_back(tensors[j]);
    std::sort(beside.begin(), beside.end(), [](const Tensor& a, const Tensor& b) { return a.offset < b.offset; });
    uint64_t at = 0, gap = UINT64_MAX;
    for (const Tensor& b : beside) {
      if (b.offset >= at + x.bytes && b.offset - at < gap) x.offset = at, gap = b.offset - at;
      at = std::max(at, b.offset + b.bytes);
    }
    if (gap == UINT64_MAX) x.offset = at;
    top = std::max(top, x.offset + x.bytes);
  }
  return top;
}

TEST(MemoryPlan, OnOneStreamIsNoLargerThanByIntervalsOfNodes) {
  for (const int64_t layers : {1, 2, 5})
    for (const int64_t tokens : {1, 6, 64}) {
      const Graph g = passes::autodiff(small_model(false, tokens, layers));
      for (const Graph& graph :
           {g, passes::recompute(g, "selective", 0), passes::recompute(g, "full", 0), small_model(false, tokens, layers)})
        for (const auto& c : plan::plan_in_order({&graph}, 0).classes)
          if (c.name == "activations") EXPECT_LE(c.bytes, activations_by_intervals(graph)) << layers << " layers, " << tokens << " tokens";
    }
}

TEST(MemoryPlan, GraphsShareTheirStatesByName) {
  const Graph train = passes::autodiff(small_model()), decode = passes::generation(small_model(false, 1), 6);
  const Arena plan = plan::plan_in_order({&train, &decode}, 0);
  const auto offset = [&](size_t i, const Graph& g, const std::string& name) {
    for (const State& s : g.states)
      if (name_of(g, s.tensor) == name) return plan.offsets[i][s.tensor];
    return Arena::kAbsent;
  };
  EXPECT_EQ(offset(0, train, "embedding"), offset(1, decode, "embedding"));
  EXPECT_NE(offset(1, decode, "cache.key.layers.0"), Arena::kAbsent);
}

TEST(MemoryPlan, RefusesGraphsThatDisagreeAboutAState) {
  const Graph a = small_model();
  Graph b = small_model();
  b.tensors[b.states[0].tensor].dtype = DType::BF16;
  EXPECT_THROW(plan::plan_in_order({&a, &b}, 0), Error);
}

}  // namespace
}  // namespace corral
