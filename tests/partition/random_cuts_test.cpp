#include "tests/partition/random_cuts.h"

#include <gtest/gtest.h>

#include "bin/validate/random_graph.h"
#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/stage.h"
#include "tests/partition/distance.h"
#include "tests/partition/without_conversion.h"
#include "tests/unit/canonical_graph.h"

namespace corral {
namespace {

constexpr uint64_t kGraphs = 300;

TEST(RandomCuts, GiveTheNumbersOfTheWholeGraph) {
  size_t conversions = 0;
  for (uint64_t seed = 0; seed < kGraphs; ++seed) {
    std::mt19937_64 random(seed);
    const Graph whole = validate::random_differentiated(random);
    const std::vector<Graph> ranks = cut_at_random(whole, seed % 3 == 0 ? 3 : 2, random);
    for (const Graph& g : ranks) partition::verify(g, partition::Stage::kPartitioned);
    ASSERT_LT(distance(whole, ranks, seed, {{{"m", ranks.size()}}}), 1e-12) << "seed " << seed;
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
