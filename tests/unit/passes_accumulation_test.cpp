#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "kernel/graph/verify.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/autodiff.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

TEST(WriteGradients, GivesTheSameNumbersWhateverTheGradientsWereBefore) {
  for (const bool frozen_embedding : {false, true}) {
    const Graph plain = passes::autodiff(small_model(frozen_embedding)), g = passes::write_gradients(plain);
    graph::verify(g);
    graph::Interpreter expected(plain), run(g);
    fill_small_model(plain, expected);
    fill_small_model(g, run);
    for (const State& s : g.states)
      if (s.kind == StateKind::GRADIENT) run[s.tensor].assign(run[s.tensor].size(), NAN);
    expected.run_all();
    run.run_all();
    size_t gradients = 0;
    for (const State& s : g.states) {
      if (s.kind != StateKind::GRADIENT) continue;
      EXPECT_EQ(run[s.tensor], expected.named(name_of(g, s.tensor))) << name_of(g, s.tensor);
      ++gradients;
    }
    EXPECT_GT(gradients, 5u);
    const auto made = passes::made_within_step(g), made_before = passes::made_within_step(plain);
    EXPECT_EQ(static_cast<size_t>(std::count(made.begin(), made.end(), true)), gradients);
    EXPECT_EQ(std::count(made_before.begin(), made_before.end(), true), 0);
  }
}

TEST(WriteGradients, LeavesAGradientThatNothingAddsToAtZero) {
  Graph model = small_model();
  State trained;
  trained.trained = true;
  GraphBuilder(model).state("unused", DType::F32, {3}, trained);
  const Graph g = passes::write_gradients(passes::autodiff(std::move(model)));
  const auto made = passes::made_within_step(g);
  for (const State& s : g.states)
    EXPECT_EQ(made[s.tensor], s.kind == StateKind::GRADIENT && name_of(g, s.of) != "unused") << name_of(g, s.tensor);
  EXPECT_EQ(std::count_if(g.nodes.begin(), g.nodes.end(), [](const Node& n) { return n.when == When::FIRST; }), 1);
}

}  // namespace
}  // namespace corral
