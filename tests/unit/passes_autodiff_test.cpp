#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

// Compares every gradient with finite differences; returns how many parameters have one.
size_t expect_finite_differences(const Graph& forward) {
  const Graph g = passes::autodiff(forward);
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
  return parameters;
}

TEST(Autodiff, EqualsFiniteDifferencesForEveryParameter) { EXPECT_EQ(expect_finite_differences(small_model()), 1u + 2 * 7); }

TEST(Autodiff, GoesThroughSumsThatTheForwardPassMakesInPlace) { EXPECT_EQ(expect_finite_differences(adapted_model()), 2u * 4); }

TEST(Autodiff, TreatsATensorThatIsKeptOverTheStepAsAConstant) {
  Graph g = small_model();
  GraphBuilder b(g);
  State statistic;
  statistic.kind = StateKind::STATISTIC;
  const TensorId norm = b.state("norm", DType::F32, {8}, statistic);
  const TensorId q = g.nodes[2].inputs[1], out = g.nodes[2].outputs[0], scaled = b.tensor("scaled", DType::F32, g.tensors[out].shape);
  b.node("row_squares", {q}, {norm}).when = When::FIRST;
  std::rotate(g.nodes.begin(), g.nodes.end() - 1, g.nodes.end());
  for (Node& n : g.nodes)
    for (TensorId& t : n.inputs)
      if (t == out) t = scaled;
  b.node("scale_features", {out, norm}, {scaled});
  std::rotate(g.nodes.begin() + 4, g.nodes.end() - 1, g.nodes.end());
  g = passes::autodiff(g);  // row_squares has no gradient
  graph::verify(g);
  for (const Node& n : g.nodes) EXPECT_FALSE(n.phase == Phase::BACKWARD && op_of(g, n) == "scale_features_backward");
}

TEST(Autodiff, AccumulatesOverMicroBatchesAndStartsAnewOnTheFirst) {
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

TEST(Autodiff, ComputesNothingThatNoTrainedParameterNeeds) {
  Graph g = small_model(true);
  for (State& s : g.states) s.trained = name_of(g, s.tensor).starts_with("layers.1");
  g = passes::autodiff(g);
  graph::verify(g);
  for (const Node& n : g.nodes) EXPECT_FALSE(n.phase == Phase::BACKWARD && g.names[n.scope] == "layers.0") << op_of(g, n);
  for (const State& s : g.states)
    EXPECT_TRUE(s.kind != StateKind::GRADIENT || name_of(g, s.of).starts_with("layers.1")) << name_of(g, s.of);
}

TEST(Autodiff, LeavesOutTheGradientsOfFrozenWeightsAndKeepsTheOthers) {
  const Graph all = passes::autodiff(small_model());
  Graph g = small_model();
  for (State& s : g.states) s.trained = name_of(g, s.tensor).ends_with(".q");
  g = passes::autodiff(g);
  graph::verify(g);
  size_t left_out = 0;
  for (const Node& n : g.nodes)
    if (op_of(g, n) == "rms_norm_backward" || op_of(g, n) == "linear_lse_backward") {
      EXPECT_NE(n.outputs[0], 0u);
      EXPECT_EQ(n.outputs[1], 0u);
      ++left_out;
    }
  EXPECT_EQ(left_out, 2u);  // the head, and the norm of the second layer
  graph::Interpreter run(g), expected(all);
  fill_small_model(g, run);
  fill_small_model(all, expected);
  run.run_all();
  expected.run_all();
  EXPECT_EQ(run.named("gradient.layers.0.q"), expected.named("gradient.layers.0.q"));
  EXPECT_EQ(run.named("gradient.layers.1.q"), expected.named("gradient.layers.1.q"));
}

TEST(Autodiff, WritesWeightGradientsStraightToTheirStates) {
  const Graph g = passes::autodiff(small_model());
  for (const Node& n : g.nodes) EXPECT_NE(op_of(g, n), "cast");
}

// A rule may pass one gradient to several inputs, directly to parameters, and twice to the same parameter.
TEST(Autodiff, KeepsGradientsApartThatARulePassesOn) {
  Graph g;
  GraphBuilder b(g);
  State s;
  s.trained = true;
  const TensorId p = b.state("p", DType::F32, {1, 3}, s), q = b.state("q", DType::F32, {1, 3}, s);
  TensorId x = b.input("x", DType::F32, {1, 3});
  const auto node = [&](const char* op, TensorId l, TensorId r) {
    const TensorId y = b.tensor(op, DType::F32, {1, 3});
    b.node(op, {l, r}, {y});
    return y;
  };
  const TensorId product = node("mul", p, q), twice = node("add", product, product), square = node("mul", twice, twice);
  b.output("losses", node("add", node("add", square, p), node("add", p, node("add", q, x))));
  const Graph d = passes::autodiff(g);
  graph::verify(d);
  graph::Interpreter run(d);
  run[p] = {1, 2, 3};
  run[q] = {2, -1, 0.5};
  run.named("weights") = {1, 1, 1};
  run.run_all();
  // losses = 4 p² q² + 2 p + q + x
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_DOUBLE_EQ(run.named("gradient.p")[i], 8 * run[p][i] * run[q][i] * run[q][i] + 2);
    EXPECT_DOUBLE_EQ(run.named("gradient.q")[i], 8 * run[p][i] * run[p][i] * run[q][i] + 1);
  }
}

TEST(Autodiff, AddsProductsOfOneActivationInPlace) {
  const Graph g = passes::autodiff(small_model());
  size_t adds = 0, added = 0;
  for (const Node& n : g.nodes) {
    adds += n.phase == Phase::BACKWARD && op_of(g, n) == "add";
    added += op_of(g, n) == "product" && find_attribute(g, n, "role")->text == "dgrad" && n.accumulate;
  }
  // In each of two layers the products of k and v are added to that of q, and up's to gate's. The two residual sums stay add nodes.
  EXPECT_EQ(added, 2u * 3);
  EXPECT_EQ(adds, 2u * 2);
}

}  // namespace
}  // namespace corral
