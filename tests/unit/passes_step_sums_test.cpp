#include <gtest/gtest.h>

#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/step_sums.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

TEST(StepSums, AreOfAllMicroBatchesAndStartAnewOnTheFirst) {
  const Graph plain = passes::autodiff(small_model()), g = passes::step_sums(plain);
  graph::verify(g);
  graph::Interpreter run(g), losses(plain);
  double expected = 0, weights = 0;
  for (int step = 0; step < 2; ++step) {
    expected = weights = 0;
    for (int micro = 0; micro < 3; ++micro) {
      for (graph::Interpreter* each : {&run, &losses}) {
        const Graph& of = each == &run ? g : plain;
        fill_small_model(of, *each);
        std::vector<double>& w = (*each)[find_port(of, of.inputs, "weights")];
        for (size_t i = 0; i < w.size(); ++i) w[i] *= static_cast<double>(i + 1) * (micro + 1);
        each->run([&](const Node& n) { return n.when == When::EVERY || (n.when == When::FIRST && micro == 0); });
      }
      const std::vector<double>&l = losses[find_port(plain, plain.outputs, "losses")],
            &w = losses[find_port(plain, plain.inputs, "weights")];
      for (size_t i = 0; i < l.size(); ++i) {
        expected += w[i] * l[i];
        weights += w[i];
      }
    }
  }
  EXPECT_NEAR(run.named("loss_sum")[0], expected, 1e-12 * expected);
  EXPECT_EQ(run.named("weight_sum")[0], weights);
  EXPECT_EQ(g.tensors[find_state(g, "weight_sum")].dtype, DType::F64);
  EXPECT_EQ(find_port(g, g.outputs, "losses"), 0u);
}

TEST(StepSums, TheGradientIsOfTheWeightedSum) {
  const Graph g = passes::step_sums(passes::autodiff(small_model()));
  graph::Interpreter run(g);
  const auto loss = [&](double by) {
    fill_small_model(g, run);
    std::vector<double>& w = run[find_port(g, g.inputs, "weights")];
    for (size_t i = 0; i < w.size(); ++i) w[i] *= static_cast<double>(i) / 4;
    run.named("layers.0.q")[3] += by;
    run.run_all();
    return run.named("loss_sum")[0];
  };
  const double expected = (loss(1e-5) - loss(-1e-5)) / 2e-5;
  loss(0);
  EXPECT_NEAR(run.named("gradient.layers.0.q")[3], expected, 1e-6 * std::max(1.0, std::fabs(expected)));
}

}  // namespace
}  // namespace corral
