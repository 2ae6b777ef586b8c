// Passes over a graph as large as that of a 405B model must not delay the start of a run.
#include <gtest/gtest.h>

#include <cstdio>
#include <ctime>
#include <string>
#include <vector>

#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/partition.h"
#include "kernel/partition/stage.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

// Seconds for one pass. A slow machine needs a tenth, so that only a pass with quadratic time fails.
constexpr double kLimit = 2;

template <class Pass>
void timed(const char* name, Pass pass) {
  const std::clock_t start = std::clock();  // processor time, as other tests use the machine too
  pass();
  const double seconds = static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
  std::printf("%-24s %7.1f ms\n", name, seconds * 1e3);
  EXPECT_LT(seconds, kLimit) << name;
}

TEST(Passes, TakeLittleTimeOnTheGraphOfALargeModel) {
  const Graph forward = small_model(false, 6, 450);
  Graph g = forward;
  timed("autodiff", [&] { g = passes::autodiff(std::move(g)); });
  std::printf("%zu nodes, %zu tensors\n", g.nodes.size(), g.tensors.size());
  EXPECT_GE(g.nodes.size(), 14000u);
  timed("recompute selective", [&] { passes::recompute(g, "selective", 0); });
  timed("recompute full", [&] { passes::recompute(g, "full", 0); });
  timed("eliminate", [&] { passes::eliminate(g, true); });
  timed("partition", [&] { partition::partition(g); });
  const partition::Dimension mesh[] = {{"data", 2, 0}, {"context", 3, 0}, {"tensor", 2, 0}};
  std::vector<TensorCut> cuts;
  const auto cut = [&](TensorId t, const char* dimension, uint32_t axis) {
    cuts.emplace_back();
    cuts.back().tensor = t;
    cuts.back().dimension = dimension;
    cuts.back().axis = axis;
  };
  for (const Port& p : g.inputs) {
    cut(p.tensor, "data", 0);
    cut(p.tensor, "context", 1);
  }
  for (const State& s : g.states)
    if (name_of(g, s.tensor).ends_with(".q") || name_of(g, s.tensor).ends_with(".gate")) cut(s.tensor, "tensor", 0);
  Graph rank;
  timed("partition over three", [&] { rank = partition::partition(g, mesh, cuts).graph; });
  timed("verify over three", [&] { partition::verify(rank, partition::Stage::kPartitioned); });
  timed("verify", [&] { graph::verify(g); });
  timed("verify partitioned", [&] { partition::verify(g, partition::Stage::kPartitioned); });
  timed("encode and decode", [&] {
    const std::string bytes = g.encode();
    Graph::decode(bytes.data(), bytes.size());
  });
  std::string text;
  timed("print", [&] { text = graph::text_of(g); });
  timed("read", [&] { graph::read(text); });
  timed("generation", [&] { passes::generation(forward, 64); });
}

}  // namespace
}  // namespace corral
