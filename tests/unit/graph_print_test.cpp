#include <gtest/gtest.h>

#include <sstream>

#include "kernel/graph/print.h"

namespace corral {
namespace {

TEST(Print, ShowsStatesNodesScopesAndTotals) {
  Graph g;
  GraphBuilder b(g);
  State weight;
  weight.trained = weight.saved = true;
  const TensorId x = b.input("x", DType::F32, {2, 3}), w = b.state("layers.0.weight", DType::BF16, {4, 3}, weight);
  State moment;
  moment.kind = StateKind::MOMENT;
  moment.of = w;
  const TensorId m = b.state("moment", DType::F32, {4, 3}, moment), y = b.tensor("y", DType::F32, {2, 4});
  b.scope = "layers.0";
  b.node("product", {x, w}, {y}, {{"role", attribute(std::string("fprop"))}});
  b.phase = Phase::BACKWARD;
  b.node("product", {y, x}, {m}, {{"role", attribute(std::string("wgrad"))}}).accumulate = 1;
  b.phase = Phase::UPDATE;
  b.scope = "optimizer";
  b.node("scale", {m}, {m}, {{"factor", attribute(0.5)}}).when = When::LAST;
  b.output("y", y);
  std::ostringstream out;
  graph::print(g, out);
  EXPECT_EQ(out.str(),
            "input  x: %1 x f32[2 3]\n"
            "state  %2 layers.0.weight bf16[4 3] parameter trained saved\n"
            "state  %3 moment f32[4 3] moment of %2\n"
            "forward layers.0\n"
            "    %4 y f32[2 4] = product(%1 x, %2 layers.0.weight) role=fprop\n"
            "backward layers.0\n"
            "    +%3 moment f32[4 3] = product(%4 y, %1 x) role=wgrad\n"
            "update last optimizer\n"
            "    %3 moment f32[4 3] = scale(%3 moment) factor=0.5\n"
            "output y: %4 y f32[2 4]\n"
            "# 3 nodes, 4 tensors, 2 states of 72 bytes: parameters 24, moments 48\n");
}

// Any graph of a plugin can be printed, also an invalid one.
TEST(Print, ShowsAGraphWithNumbersOutOfRange) {
  Graph g;
  GraphBuilder b(g);
  b.node("product", {7, 0}, {9}, {{"role", attribute(std::string("fprop"))}});
  g.nodes[0].scope = 99;
  g.nodes[0].op = 98;
  g.nodes[0].attributes[0].name = 97;
  g.nodes[0].phase = static_cast<Phase>(-1);
  g.states.emplace_back().tensor = 96;
  g.inputs.emplace_back().tensor = 95;
  std::ostringstream out;
  graph::print(g, out);
  EXPECT_NE(out.str().find("? ?\n    %9 ? = ?(%7 ?, -) ?=fprop\n"), std::string::npos) << out.str();
}

}  // namespace
}  // namespace corral
