#include <gtest/gtest.h>

#include "kernel/graph/cases.h"
#include "kernel/graph/factors.h"
#include "kernel/partition/partition.h"
#include "kernel/passes/autodiff.h"
#include "tests/unit/passes_fused_model.h"

namespace corral {
namespace {

class Axes : public testing::TestWithParam<const graph::OpDef*> {};

TEST_P(Axes, DescribeEveryOperandOfEveryCase) {
  const graph::OpDef& def = *GetParam();
  for (const graph::Case& c : def.cases) {
    const graph::CaseRun run = graph::run_case(def, c);
    std::vector<const Shape*> inputs, outputs;
    for (const graph::CaseOperand& in : run.inputs) inputs.push_back(in.present ? &in.type.shape : nullptr);
    for (const graph::CaseOperand& out : run.outputs) outputs.push_back(out.present ? &out.type.shape : nullptr);
    EXPECT_NO_THROW(graph::factors_of(def, c.attrs, def.operands(c.attrs), inputs, outputs, def.name));
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Axes, testing::ValuesIn(graph::all_ops().begin(), graph::all_ops().end()),
                         [](const auto& info) { return info.param->name; });

void refuses(const char* axes, std::vector<Shape> inputs, Shape output, const char* whole, const char* says) {
  graph::OpDef def;
  def.name = "made_up";
  def.whole = whole;
  def.attrs = {{"head_dim", graph::AttrKind::kInteger, 4}};
  std::vector<const Shape*> given;
  for (const Shape& s : inputs) given.push_back(&s);
  try {
    graph::factors_of(def, {}, graph::parse_axes(axes), given, {&output}, "made_up");
    FAIL() << axes << " was taken";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
  }
}

TEST(Partition, RefusesAxesThatDoNotDescribeTheOperands) {
  refuses("x: b t -> y: b t", {{2, 3, 4}}, {2, 3}, "", "does not have the axes \"b t\"");
  refuses("x: ... d -> y: ... d", {{}}, {2}, "", "does not have the axes");
  refuses("x: b d, w: d -> y: b", {{2, 5}, {3}}, {2}, "", "axis d is 3 long in w and 5");
  refuses("x: b -> y: b v", {{2}}, {2, 3}, "", "axis v of output y is in no input");
  refuses("x: ... -> y: ...", {{2, 3}}, {3, 2}, "", "has the leading axes");
  refuses("x: one -> y: one", {{2}}, {1}, "", "has 2 where its axes say 1");
  refuses("x: b h*head_dim -> y: b h*head_dim", {{2, 10}}, {2, 10}, "", "axis h*head_dim of x is 10 long, not a multiple of 4");
  refuses("x: b h*head_dim -> y: b h", {{2, 12}}, {2, 12}, "", "axis h is 12 long in y and 3");
  refuses("x: g*r -> y: g*r", {{6}}, {6}, "", "cannot be told apart");
  refuses("x: k*16 -> y: k", {{40}}, {2}, "", "not a multiple of 16");
  refuses("x: b -> y: b", {{2}}, {2}, "d", "axis d may not be cut, but no operand has it");
}

TEST(Partition, NamesLeadingAxesByTheirPlace) {
  EXPECT_EQ(graph::axis_names({"...", "k"}, 3), (std::vector<std::string>{"...0", "...1", "k"}));
  EXPECT_EQ(graph::axis_names({"...", "k"}, 1), std::vector<std::string>{"k"});
  EXPECT_EQ(graph::axis_names({"n", "k"}, 2), (std::vector<std::string>{"n", "k"}));
}

TEST(Partition, OfOneRankChangesNothing) {
  for (const Graph& g : {passes::autodiff(small_model()), passes::autodiff(fused_model())})
    EXPECT_EQ(partition::partition(g).graph.encode(), g.encode());
}

}  // namespace
}  // namespace corral
