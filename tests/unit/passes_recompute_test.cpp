#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/recompute.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

// Counts tensors that the forward phase writes and the backward phase reads.
size_t kept_values(const Graph& g) {
  std::vector<bool> made(g.tensors.size()), counted(g.tensors.size());
  size_t n = 0;
  for (const Node& node : g.nodes) {
    for (TensorId t : node.inputs)
      if (node.phase == Phase::BACKWARD && made[t] && !counted[t]) {
        counted[t] = true;
        ++n;
      }
    if (node.phase == Phase::FORWARD)
      for (TensorId t : node.outputs) made[t] = true;
  }
  return n;
}

void expect_equal_gradients(const Graph& forward) {
  const Graph plain = passes::autodiff(forward);
  graph::Interpreter expected(plain);
  fill_small_model(plain, expected);
  expected.run_all();
  size_t kept = kept_values(plain);
  for (const auto& [granularity, layers] : {std::pair{"selective", 0}, std::pair{"full", 1}, std::pair{"full", 0}}) {
    const Graph g = passes::recompute(plain, granularity, layers);
    graph::verify(g);
    EXPECT_LT(kept_values(g), kept) << granularity << " " << layers;
    kept = std::string(granularity) == "full" ? kept_values(g) : kept;
    graph::Interpreter run(g);
    fill_small_model(g, run);
    run.run_all();
    for (const State& s : g.states)
      EXPECT_TRUE(s.kind != StateKind::GRADIENT || run[s.tensor] == expected.named(name_of(g, s.tensor)))
          << granularity << " " << name_of(g, s.tensor);
  }
}

TEST(Recompute, KeepsLessAndChangesNoBit) { expect_equal_gradients(small_model()); }

TEST(Recompute, RepeatsEveryNodeThatAddsToARecomputedTensor) { expect_equal_gradients(adapted_model()); }

TEST(Recompute, RefusesAnotherGranularityNamingTheNearest) {
  try {
    passes::recompute(small_model(), "ful", 0);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"full\""), std::string::npos) << e.what();
  }
}

TEST(Eliminate, DropsUnreadTensorsAndKeepsUpdatesOfStates) {
  Graph g = passes::autodiff(small_model());
  const size_t all = g.nodes.size();
  {
    GraphBuilder b(g);
    const TensorId x = find_port(g, g.outputs, "losses"), y = b.tensor("unread", DType::F32, g.tensors[x].shape);
    b.node("scale", {x}, {y}, {{"factor", attribute(2.0)}});
  }
  EXPECT_EQ(passes::eliminate(g).nodes.size(), all);
  Graph forward = small_model();
  forward.outputs.clear();
  EXPECT_TRUE(passes::eliminate(forward).nodes.empty());
  EXPECT_TRUE(passes::eliminate(forward, true).states.empty());
}

}  // namespace
}  // namespace corral
