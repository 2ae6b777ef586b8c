// A graph at every stage is read back from its text as it was.
#include <gtest/gtest.h>

#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"
#include "tests/unit/canonical_graph.h"
#include "tests/unit/passes_fused_model.h"

namespace corral {
namespace {

void expect_read_back(const Graph& g, const char* stage) {
  const Graph again = graph::read(graph::text_of(g));
  EXPECT_EQ(graph::text_of(again), graph::text_of(g)) << stage;
  EXPECT_EQ(canonical(again), canonical(g)) << stage;
}

TEST(Text, OfAGraphAtEveryStageIsReadBack) {
  for (const Graph& model : {small_model(), small_model(true), adapted_model(), fused_model()}) {
    expect_read_back(model, "model");
    expect_read_back(passes::generation(model, 16), "generation");
    expect_read_back(passes::logits_of_all(model), "logits");
    const Graph g = passes::autodiff(model);
    expect_read_back(g, "autodiff");
    expect_read_back(passes::write_gradients(g), "write_gradients");
    expect_read_back(passes::recompute(g, "selective", 0), "recompute selective");
    expect_read_back(passes::recompute(g, "full", 0), "recompute full");
    expect_read_back(passes::eliminate(passes::recompute(g, "full", 0), true), "eliminate");
  }
}

}  // namespace
}  // namespace corral
