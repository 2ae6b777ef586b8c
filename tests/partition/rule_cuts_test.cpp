// The kernel's own cuts: whatever inputs and states are cut, the ranks compute the whole graph's numbers.
#include <gtest/gtest.h>

#include <algorithm>

#include "bin/validate/random_graph.h"
#include "kernel/partition/cut.h"
#include "kernel/partition/stage.h"
#include "tests/partition/distance.h"

namespace corral {
namespace {
using partition::AskedCut;

bool fit(const Graph& g, const std::vector<Port>& inputs, uint32_t ranks) {
  return std::all_of(inputs.begin(), inputs.end(), [&](const Port& p) { return g.tensors[p.tensor].shape[0] % ranks == 0; });
}

std::vector<AskedCut> cuts_of_batch(const Graph& g) {
  std::vector<AskedCut> asked;
  for (const Port& p : g.inputs) asked.push_back({p.tensor, 0, Order::CONTIGUOUS});
  return asked;
}

// Half of the parameters, each along any axis.
std::vector<AskedCut> cuts_of_parameters(const Graph& g, uint32_t ranks, std::mt19937_64& random) {
  std::vector<AskedCut> asked;
  for (const State& s : g.states) {
    const Shape& shape = g.tensors[s.tensor].shape;
    const auto axis = static_cast<uint32_t>(random() % shape.size());
    if (s.kind == StateKind::PARAMETER && random() % 2 && shape[axis] % ranks == 0) asked.push_back({s.tensor, axis, Order::CONTIGUOUS});
  }
  return asked;
}

struct Cutting {
  std::string name;
  uint32_t ranks;
  std::vector<AskedCut> asked;
};

class Ranks {
 public:
  // Cuts over the dimensions in their order, the outermost first.
  Ranks(const Graph& whole, const std::vector<Cutting>& dimensions) {
    for (const Cutting& d : dimensions) mesh.dimensions.push_back({d.name, d.ranks});
    for (size_t rank = 0; rank < mesh.ranks(); ++rank) {
      partition::OneRank one{whole, {}};
      for (const Cutting& d : dimensions) {
        partition::OneRank part =
            partition::cut(std::move(one.graph), {d.name, d.ranks, static_cast<uint32_t>(mesh.coordinate(rank, d.name))}, d.asked);
        one.graph = std::move(part.graph);
        one.firsts.insert(one.firsts.end(), part.firsts.begin(), part.firsts.end());
      }
      partition::verify(one.graph, partition::Stage::kPartitioned);
      graphs.push_back(std::move(one.graph));
      firsts.push_back(std::move(one.firsts));
    }
  }
  double distance_to(const Graph& whole, uint64_t seed) const {
    return distance(whole, graphs, seed, mesh, [&](graph::RankInterpreter& many) {
      for (size_t rank = 0; rank < graphs.size(); ++rank)
        for (const auto& [t, value] : firsts[rank]) many[rank][t] = {static_cast<double>(value)};
    });
  }
  size_t conversions() const {
    return static_cast<size_t>(
        std::count_if(graphs[0].nodes.begin(), graphs[0].nodes.end(), [&](const Node& n) { return find_attribute(graphs[0], n, "mesh"); }));
  }

  graph::Mesh mesh;
  std::vector<Graph> graphs;
  std::vector<std::vector<std::pair<TensorId, int64_t>>> firsts;
};

TEST(RuleCuts, GiveTheNumbersOfTheWholeGraph) {
  size_t conversions = 0;
  for (uint64_t seed = 0; seed < 300; ++seed) {
    std::mt19937_64 random(seed);
    const Graph whole = validate::random_differentiated(random);
    const uint32_t ranks = seed % 3 == 0 ? 3 : 2;
    std::vector<AskedCut> asked = cuts_of_parameters(whole, ranks, random);
    if (seed % 4 == 0 && fit(whole, whole.inputs, ranks)) asked = cuts_of_batch(whole);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Ranks cut(whole, {{"m", ranks, asked}});
    ASSERT_LT(cut.distance_to(whole, seed), 1e-12);
    conversions += cut.conversions();
  }
  EXPECT_GT(conversions, 1000u);
}

TEST(RuleCuts, OfTwoDimensionsGiveTheNumbersOfTheWholeGraph) {
  size_t graphs = 0;
  for (uint64_t seed = 0; seed < 200; ++seed) {
    std::mt19937_64 random(seed);
    const Graph whole = validate::random_training(random);
    if (!fit(whole, whole.inputs, 2)) continue;
    ++graphs;
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Ranks cut(whole, {{"data", 2, cuts_of_batch(whole)}, {"tensor", 2, cuts_of_parameters(whole, 2, random)}});
    ASSERT_LT(cut.distance_to(whole, seed), 1e-12);
  }
  EXPECT_GT(graphs, 50u);
}

}  // namespace
}  // namespace corral
