#include "tests/partition/random_cuts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "bin/validate/random_graph.h"
#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/rank_interpreter.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/layout.h"
#include "kernel/partition/stage.h"
#include "tests/partition/without_conversion.h"
#include "tests/unit/canonical_graph.h"

namespace corral {
namespace {

constexpr uint64_t kGraphs = 300;

// Random values that the operations take: numbers of tokens, positions and keys where a tensor is of integers.
std::vector<double> values_of(const Graph& g, TensorId t, std::mt19937_64& random) {
  const std::string& name = name_of(g, t);
  std::vector<double> values(static_cast<size_t>(elements(g.tensors[t].shape)));
  for (size_t i = 0; i < values.size(); ++i) {
    const double position = static_cast<double>(i % static_cast<size_t>(g.tensors[t].shape.back()));
    if (name == "tokens" || name == "targets")
      values[i] = static_cast<double>(random() % 3);
    else if (name == "positions")
      values[i] = position;
    else if (g.tensors[t].dtype == DType::I32)
      values[i] = name == "last_key" ? position : 0;
    else
      values[i] = std::uniform_real_distribution<double>(-0.5, 0.5)(random);
  }
  return values;
}

// The largest difference of the losses and gradients, relative to the largest number of each.
double distance(const Graph& whole, const std::vector<Graph>& ranks, uint64_t seed) {
  const graph::Mesh mesh{{{"m", ranks.size()}}};
  graph::Interpreter one(whole);
  graph::RankInterpreter many(ranks, mesh);
  std::mt19937_64 random(seed);
  const auto set = [&](TensorId in_whole) {
    one[in_whole] = values_of(whole, in_whole, random);
    for (size_t rank = 0; rank < ranks.size(); ++rank)
      for (TensorId t = 1; t < ranks[rank].tensors.size(); ++t)
        if (name_of(ranks[rank], t) == name_of(whole, in_whole))
          many[rank][t] = partition::part_of(ranks[rank], t, mesh, rank, one[in_whole]);
  };
  for (const Port& p : whole.inputs) set(p.tensor);
  for (const State& s : whole.states)
    if (s.kind == StateKind::PARAMETER) set(s.tensor);
  one.run_all();
  many.run_all();
  double largest = 0;
  const auto compare = [&](TensorId in_whole, size_t rank, TensorId t) {
    const std::vector<double> expected = partition::part_of(ranks[rank], t, mesh, rank, one[in_whole]), &ours = many[rank][t];
    double scale = 1e-300;
    for (const double v : one[in_whole]) scale = std::max(scale, std::fabs(v));
    for (size_t i = 0; i < expected.size(); ++i) {
      const double apart = std::fabs(ours[i] - expected[i]) / scale;
      largest = std::isnan(apart) ? HUGE_VAL : std::max(largest, apart);
    }
  };
  for (size_t rank = 0; rank < ranks.size(); ++rank) {
    for (size_t i = 0; i < whole.states.size(); ++i) compare(whole.states[i].tensor, rank, ranks[rank].states[i].tensor);
    for (size_t i = 0; i < whole.outputs.size(); ++i) compare(whole.outputs[i].tensor, rank, ranks[rank].outputs[i].tensor);
  }
  return largest;
}

TEST(RandomCuts, GiveTheNumbersOfTheWholeGraph) {
  size_t conversions = 0;
  for (uint64_t seed = 0; seed < kGraphs; ++seed) {
    std::mt19937_64 random(seed);
    const Graph whole = validate::random_differentiated(random);
    const std::vector<Graph> ranks = cut_at_random(whole, seed % 3 == 0 ? 3 : 2, random);
    for (const Graph& g : ranks) partition::verify(g, partition::Stage::kPartitioned);
    ASSERT_LT(distance(whole, ranks, seed), 1e-12) << "seed " << seed;
    for (const Node& n : ranks[0].nodes) conversions += find_attribute(ranks[0], n, "mesh") != nullptr;
  }
  EXPECT_GT(conversions, 20 * kGraphs);
}

// Of one rank; those that are left read what it read.
TEST(RandomCuts, AreRefusedWithoutAnyOfTheirConversions) {
  size_t dropped = 0;
  for (uint64_t seed = 0; seed < 30; ++seed) {
    std::mt19937_64 random(seed);
    const Graph rank = cut_at_random(validate::random_differentiated(random), 2, random)[0];
    for (size_t i = 0; i < rank.nodes.size(); ++i) {
      if (!find_attribute(rank, rank.nodes[i], "mesh")) continue;
      ++dropped;
      EXPECT_THROW(partition::verify(without_conversion(rank, i), partition::Stage::kPartitioned), Error)
          << "seed " << seed << ", " << graph::where(rank, i);
    }
  }
  EXPECT_GT(dropped, 500u);
}

TEST(RandomGraphs, AreReadBackFromTheirText) {
  for (uint64_t seed = 0; seed < kGraphs; ++seed) {
    std::mt19937_64 random(seed);
    const Graph whole = validate::random_differentiated(random), rank = cut_at_random(whole, 2, random)[1];
    for (const Graph& g : {whole, rank}) ASSERT_EQ(canonical(graph::read(graph::text_of(g))), canonical(g)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace corral
