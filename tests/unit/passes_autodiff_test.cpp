#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

TEST(Autodiff, EqualsFiniteDifferencesForEveryParameter) {
  const Graph forward = small_model(), g = passes::autodiff(forward);
  graph::verify(g);
  graph::Interpreter run(g), plain(forward);
  fill_small_model(g, run);
  run.run_all();
  size_t parameters = 0;
  for (const State& s : g.states) {
    if (s.kind != StateKind::GRADIENT) continue;
    ++parameters;
    for (size_t j = 0; j < run[s.tensor].size(); j += 7) {
      const auto loss = [&](double by) {
        fill_small_model(forward, plain);
        plain[s.of][j] += by;
        plain.run_all();
        return sum_of_losses(forward, plain);
      };
      const double expected = (loss(1e-5) - loss(-1e-5)) / 2e-5;
      EXPECT_NEAR(run[s.tensor][j], expected, 1e-6 * std::max(1.0, std::fabs(expected))) << name_of(g, s.tensor) << " " << j;
    }
  }
  EXPECT_EQ(parameters, 1u + 2 * 7);
}

TEST(Autodiff, AddsUpOverMicroBatchesAndStartsAnewOnTheFirst) {
  const Graph g = passes::autodiff(small_model());
  graph::Interpreter run(g);
  fill_small_model(g, run);
  run.run_all();
  const std::vector<double> once = run.named("gradient.layers.0.q");
  run.run([](const Node& n) { return n.when == When::EVERY; });
  for (size_t i = 0; i < once.size(); ++i) EXPECT_NEAR(run.named("gradient.layers.0.q")[i], 2 * once[i], 1e-12);
  run.run_all();
  EXPECT_EQ(run.named("gradient.layers.0.q"), once);
}

TEST(Autodiff, DoesNothingThatNoTrainedParameterNeeds) {
  Graph g = small_model(true);
  for (State& s : g.states) s.trained = name_of(g, s.tensor).starts_with("layers.1");
  g = passes::autodiff(g);
  graph::verify(g);
  for (const Node& n : g.nodes) EXPECT_FALSE(n.phase == Phase::BACKWARD && g.names[n.scope] == "layers.0") << op_of(g, n);
  for (const State& s : g.states)
    EXPECT_TRUE(s.kind != StateKind::GRADIENT || name_of(g, s.of).starts_with("layers.1")) << name_of(g, s.of);
}

TEST(Autodiff, WritesWeightGradientsStraightToTheirStates) {
  const Graph g = passes::autodiff(small_model());
  for (const Node& n : g.nodes) EXPECT_NE(op_of(g, n), "cast");
}

TEST(Verify, RefusesWhatAPluginMayGetWrong) {
  const auto broken = [](auto change) {
    Graph g = small_model();
    change(g);
    EXPECT_THROW(graph::verify(g), Error);
  };
  broken([](Graph& g) { g.nodes[0].op = 100000; });
  broken([](Graph& g) { g.nodes[0].inputs[0] = 100000; });
  broken([](Graph& g) { g.nodes[0].outputs[0] = 100000; });
  broken([](Graph& g) { g.nodes[0].outputs.clear(); });
  broken([](Graph& g) { g.nodes[0].inputs.clear(); });
  broken([](Graph& g) { g.nodes[0].accumulate = 1; });
  broken([](Graph& g) { std::swap(g.nodes[0], g.nodes[1]); });
  broken([](Graph& g) { g.nodes[1].outputs = g.nodes[0].outputs; });
  broken([](Graph& g) { g.tensors[5].shape = {-1}; });
  broken([](Graph& g) { g.tensors[5].shape = {INT64_MAX, INT64_MAX}; });
  broken([](Graph& g) { g.tensors[5].dtype = static_cast<DType>(99); });
  broken([](Graph& g) { g.states[0].tensor = 100000; });
  broken([](Graph& g) { g.names.clear(); });
  broken([](Graph& g) { g.nodes.pop_back(); });
  broken([](Graph& g) { g.nodes[0].attributes.emplace_back(); });
}

}  // namespace
}  // namespace corral
