#include <gtest/gtest.h>

#include "kernel/graph/scope.h"
#include "kernel/graph/uses.h"

namespace corral::graph {
namespace {

using Nodes = std::vector<uint32_t>;
Nodes list(std::span<const uint32_t> nodes) { return {nodes.begin(), nodes.end()}; }

// %1 x, read twice by node 0 and once by node 2; %2 y, written by nodes 0 and 1; %3 a state that node 2 updates.
Graph some() {
  Graph g;
  GraphBuilder b(g);
  const TensorId x = b.input("x", DType::F32, {2}), y = b.tensor("y", DType::F32, {2}), s = b.state("s", DType::F32, {2}, {});
  b.node("mul", {x, x}, {y});
  b.node("scale", {s}, {y}).accumulate = 1;
  b.node("adamw", {s, y, 0, x}, {s, 0});
  return g;
}

TEST(Uses, AreTheNodesThatWriteAndReadATensorInTheirOrder) {
  const Graph g = some();
  const Uses uses(g);
  EXPECT_EQ(list(uses.writers(1)), Nodes());
  EXPECT_EQ(list(uses.readers(1)), Nodes({0, 0, 2}));
  EXPECT_EQ(list(uses.writers(2)), Nodes({0, 1}));
  EXPECT_EQ(list(uses.readers(2)), Nodes({2}));
  EXPECT_EQ(list(uses.writers(3)), Nodes({2}));
  EXPECT_EQ(list(uses.readers(3)), Nodes({1, 2}));
}

TEST(Uses, NameTheLastWriterAlsoBeforeANode) {
  const Graph g = some();
  const Uses uses(g);
  EXPECT_EQ(uses.last_writer(1), Uses::kNone);
  EXPECT_EQ(uses.last_writer(2), 1u);
  EXPECT_EQ(uses.last_writer(2, 1), 0u);
  EXPECT_EQ(uses.last_writer(2, 0), Uses::kNone);
}

TEST(Uses, NameTheFirstAndLastNodeOfATensor) {
  Graph g = some();
  GraphBuilder(g).tensor("unused", DType::F32, {});
  const Uses uses(g);
  EXPECT_EQ(uses.first(1), 0u);
  EXPECT_EQ(uses.last(1), 2u);
  EXPECT_EQ(uses.first(3), 1u);
  EXPECT_EQ(uses.first(4), Uses::kNone);
  EXPECT_EQ(uses.last(4), Uses::kNone);
}

TEST(Uses, OfTensorsThatDoNotExistAreNone) {
  Graph g = some();
  g.nodes[0].inputs[0] = 1000;
  const Uses uses(g);
  EXPECT_EQ(list(uses.readers(1)), Nodes({0, 2}));
  EXPECT_EQ(list(uses.readers(0)), Nodes());
}

TEST(Scope, NamesALayer) {
  EXPECT_EQ(layer_of("layers.31"), 31);
  for (const char* other : {"layers.", "layers.x", "layers.3.mlp", "head", "", "layers.99999999999"})
    EXPECT_EQ(layer_of(other), -1) << other;
}

}  // namespace
}  // namespace corral::graph
