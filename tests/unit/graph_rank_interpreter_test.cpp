#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/rank_interpreter.h"
#include "kernel/graph/read.h"

namespace corral::graph {
namespace {

const Mesh kMesh{{{"data", 2}, {"tensor", 3}}};

TEST(Mesh, NumbersRanksWithTheLastDimensionInnermost) {
  EXPECT_EQ(kMesh.ranks(), 6u);
  EXPECT_EQ(kMesh.coordinate(4, "data"), 1u);
  EXPECT_EQ(kMesh.coordinate(4, "tensor"), 1u);
  EXPECT_EQ(kMesh.group(4, "tensor"), (std::vector<size_t>{3, 4, 5}));
  EXPECT_EQ(kMesh.group(4, "data"), (std::vector<size_t>{1, 4}));
}

// Each rank's x is 1 more than that of the rank before.
RankInterpreter ranks(std::vector<Graph> graphs, Mesh mesh) {
  RankInterpreter run(std::move(graphs), std::move(mesh));
  for (size_t rank = 0; rank < run.ranks(); ++rank) run[rank].named("x").assign(run[rank].named("x").size(), static_cast<double>(rank));
  return run;
}

TEST(RankInterpreter, MeetsInTheGroupsOfTheMeshDimension) {
  const Graph g = read(
      "input x: %1 x f32[2]\n"
      "forward\n"
      "%2 doubled f32[2] = scale(%1) factor=2.0\n"
      "%3 row f32[2] = all_reduce(%2) mesh=tensor parts=3 reduction=sum\n"
      "%4 all f32[2] = all_reduce(%3) mesh=data parts=2 reduction=max\n"
      "%5 gathered f32[4] = all_gather(%1) mesh=data axis=0 parts=2\n");
  RankInterpreter run = ranks(std::vector<Graph>(6, g), kMesh);
  run.run_all();
  for (size_t rank = 0; rank < 6; ++rank) {
    const double row = rank < 3 ? 2 * (0 + 1 + 2) : 2 * (3 + 4 + 5), first = static_cast<double>(rank % 3);
    EXPECT_EQ(run[rank].named("row"), (std::vector<double>{row, row}));
    EXPECT_EQ(run[rank].named("all"), (std::vector<double>{24, 24}));
    EXPECT_EQ(run[rank].named("gathered"), (std::vector<double>{first, first, first + 3, first + 3}));
  }
}

TEST(RankInterpreter, KeepsStatesOverMicroBatchesAndTakesConversionsInBodies) {
  const Graph g = read(
      "input x: %1 x f32[1]\n"
      "state %2 sum f32[1] gradient\n"
      "forward first\n"
      "%2 = fill(%2)\n"
      "forward\n"
      "+%2 = test.summed(%1)\n"
      "| %3 f32[1] = all_reduce(%1) mesh=tensor parts=2 reduction=sum\n"
      "| +%2 = scale(%3) factor=1.0\n"
      "forward last\n"
      "%4 result f32[1] = scale(%2) factor=10.0\n");
  RankInterpreter run = ranks({g, g}, {{{"tensor", 2}}});
  for (const When when : {When::FIRST, When::EVERY, When::LAST})
    run.run([&](const Node& n) { return n.when == When::EVERY || n.when == when; });
  for (size_t rank = 0; rank < 2; ++rank) EXPECT_EQ(run[rank].named("result"), std::vector<double>{30});
}

// Ranks of different chunks have other nodes, but meet where they meet.
TEST(RankInterpreter, TakesAnotherGraphOfEachRank) {
  const Graph a = read("input x: %1 x f32[2]\nforward\n%2 y f32[2] = all_reduce(%1) mesh=tensor parts=2 reduction=sum\n"),
              b = read(
                  "input x: %1 x f32[2]\nforward\n%2 f32[2] = scale(%1) factor=3.0\n"
                  "%3 y f32[2] = all_reduce(%2) mesh=tensor parts=2 reduction=sum\n%4 z f32[2] = scale(%3) factor=2.0\n");
  RankInterpreter run = ranks({a, b}, {{{"tensor", 2}}});
  run.run_all();
  EXPECT_EQ(run[0].named("y"), (std::vector<double>{3, 3}));
  EXPECT_EQ(run[1].named("z"), (std::vector<double>{6, 6}));
}

void refuses(const char* first, const char* second, const Mesh& mesh, const char* says) {
  const auto graph = [](const char* nodes) { return read(std::string("input x: %1 x f32[6]\nforward layers.1\n") + nodes); };
  std::vector<Graph> graphs(mesh.ranks(), graph(first));
  graphs.back() = graph(second);
  try {
    RankInterpreter(std::move(graphs), mesh).run_all();
    FAIL() << says;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
  }
}

TEST(RankInterpreter, NamesTheRanksThatDoNotAgreeAndNeverHangs) {
  const Mesh tensor{{{"tensor", 2}}};
  const char* sum = "%2 f32[6] = all_reduce(%1) mesh=tensor parts=2 reduction=sum\n";
  refuses(sum, "%2 f32[12] = all_gather(%1) mesh=tensor axis=0 parts=2\n", tensor,
          "rank 1: all_gather over \"tensor\", all_gather in layers.1 (node 0): all_gather mesh=tensor axis=0 parts=2 of [6]");
  refuses(sum, "%2 f32[6] = all_reduce(%1) mesh=tensor parts=2 reduction=max\n", tensor, "ranks disagree about their next conversion");
  refuses(sum, "%2 f32[3] = slice(%1) mesh=tensor parts=2 part=1\n%3 f32[3] = all_reduce(%2) mesh=tensor parts=2 reduction=sum\n", tensor,
          "rank 1: all_reduce over \"tensor\", all_reduce in layers.1 (node 1): all_reduce mesh=tensor parts=2 reduction=sum of [3]");
  refuses(sum, "%2 f32[6] = scale(%1) factor=1.0\n", tensor, "rank 1 ended");
  refuses("%2 f32[6] = all_reduce(%1) mesh=context parts=2 reduction=sum\n", "%2 f32[6] = scale(%1)\n", tensor,
          "no dimension of the mesh is named \"context\"");
  refuses("%2 f32[6] = all_reduce(%1) mesh=data parts=2 reduction=sum\n%3 f32[6] = all_reduce(%2) mesh=tensor parts=2 reduction=sum\n",
          "%2 f32[6] = all_reduce(%1) mesh=tensor parts=2 reduction=sum\n", {{{"data", 2}, {"tensor", 2}}},
          "ranks wait for each other:\n       rank 0: all_reduce over \"tensor\", all_reduce in layers.1 (node 1)\n       rank 1: "
          "all_reduce over \"data\"");
  try {
    RankInterpreter({Graph()}, tensor);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "1 graphs for a mesh of 2 ranks");
  }
}

}  // namespace
}  // namespace corral::graph
