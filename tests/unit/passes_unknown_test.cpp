// Passes keep the nodes and fields of a newer plugin that they do not know; only a run refuses them.
#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/generation.h"
#include "kernel/passes/recompute.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

// Protobuf field 1000: one byte of text.
const std::string kField{'\xc2', '\x3e', '\x01', 'x'};

// The small model with an unknown node that writes a state, and with unknown fields in every message.
Graph newer_graph() {
  Graph g = small_model();
  {
    GraphBuilder b(g);
    State s;
    s.kind = StateKind::STATISTIC;
    const TensorId seen = b.state("seen", DType::F32, {1}, s);
    b.scope = "layers.1";
    b.node("newer.watch", {g.nodes[0].outputs[0]}, {seen}, {{"newer.attribute", attribute(int64_t{3})}}).unknown = kField;
    std::rotate(g.nodes.begin() + 1, g.nodes.end() - 1, g.nodes.end());
  }
  g.unknown = g.tensors[1].unknown = g.states[0].unknown = kField;
  return g;
}

void expect_kept(const Graph& before, const char* pass) {
  const std::string bytes = before.encode();
  const Graph g = Graph::decode(bytes.data(), bytes.size());
  EXPECT_EQ(g.unknown, kField) << pass;
  EXPECT_EQ(g.tensors[1].unknown, kField) << pass;
  EXPECT_EQ(g.states[0].unknown, kField) << pass;
  const auto node = std::find_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return op_of(g, n) == "newer.watch"; });
  ASSERT_NE(node, g.nodes.end()) << pass;
  EXPECT_EQ(node->unknown, kField) << pass;
  EXPECT_EQ(node->attributes.at(0).integer, 3) << pass;
}

TEST(UnknownNodes, ComeThroughEveryPass) {
  const Graph g = passes::autodiff(newer_graph());
  expect_kept(g, "autodiff");
  expect_kept(passes::recompute(g, "selective", 0), "recompute selective");
  expect_kept(passes::recompute(g, "full", 0), "recompute full");
  expect_kept(passes::eliminate(g, true), "eliminate");
  expect_kept(passes::generation(newer_graph(), 32), "generation");
}

TEST(UnknownNodes, AreRefusedBeforeARun) {
  try {
    graph::verify(newer_graph());
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("newer.watch in layers.1 (node 1)"), std::string::npos) << e.what();
  }
}

TEST(UnknownNodes, AreRefusedWhereAGradientWouldHaveToPass) {
  Graph g = small_model();
  g.nodes[3].op = GraphBuilder(g).name("newer.product");
  try {
    passes::autodiff(g);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("newer.product in layers.0 (node "), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace corral
