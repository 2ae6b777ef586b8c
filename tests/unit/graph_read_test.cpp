#include <gtest/gtest.h>

#include <cmath>

#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "tests/unit/canonical_graph.h"

namespace corral::graph {
namespace {

void expect_read_back(const Graph& g) {
  const std::string text = text_of(g);
  EXPECT_EQ(canonical(read(text)), canonical(g)) << text;
}

TEST(Read, GivesBackAGraphWithEverythingThatAGraphMayHave) {
  Graph g;
  GraphBuilder b(g);
  State weight;
  weight.trained = weight.saved = weight.keeps_type = true;
  weight.init = InitKind::NORMAL;
  weight.init_scale = 0.1;
  weight.saved_name = b.name("a name \"in\" quotes \\ and \n lines");
  const TensorId x = b.input("x", DType::F32, {2, 3}), w = b.state("", DType::F8_E4M3, {4, 3}, weight);
  State moment;
  moment.kind = StateKind::MOMENT;
  moment.of = w;
  const TensorId m = b.state("3", DType::F32, {4, 3}, moment), y = b.tensor("y", DType::BF16, {2, 4}), z = b.tensor("z", DType::F32, {});
  b.tensor("of no use", DType::I64, {0, 7});
  b.node("plugin.op", {x, 0, w}, {y, 0, m},
         {{"integer", attribute(int64_t{-3})},
          {"number", attribute(3.0)},
          {"third", attribute(1.0 / 3)},
          {"tiny", attribute(-5e-324)},
          {"infinite", attribute(-HUGE_VAL)},
          {"text", attribute(std::string("fprop"))},
          {"number like", attribute(std::string("3.0"))},
          {"inf", attribute(std::string("inf"))},
          {"none", attribute(std::string())},
          {"short", attribute(std::vector<double>{1, 0.1})},
          {"long", attribute(std::vector<double>{1, 2, 3, 4, 5, -0.0})},
          {"again", attribute(std::vector<double>{1, 2, 3, 4, 5, -0.0})}})
      .accumulate = 4;
  Attribute& shape = g.nodes.back().attributes.emplace_back();
  shape.name = b.name("shape");
  shape.integers = {1, 2, 3, 4, 5, INT64_MIN};
  b.scope = "last";
  b.phase = Phase::BACKWARD;
  b.node("noted", {}, {}).when = When::FIRST;
  b.scope = "a scope";
  b.node("scale", {m}, {m}, {{"factor", attribute(2.0)}}).when = When::LAST;
  b.node("add", {y, m}, {z});
  b.fuse(g.nodes.size() - 2, "plugin.fused", {y, m}, {m, z});
  g.nodes.back().body[1].accumulate = 1;
  b.output("\x01\xff", y);
  g.tensors[y].activation = true;
  Layout& layout = g.tensors[y].layout;
  layout.global = {4, 8};
  layout.cuts = {{b.name("data"), 2, 0, Order::ZIGZAG, {}}, {b.name("tensor"), 2, 1, Order::CONTIGUOUS, {}}};
  layout.owes = {{b.name("context"), 3, Reduction::LOG_SUM_EXP, {}}};
  expect_read_back(g);
  EXPECT_EQ(text_of(read(text_of(g))), text_of(g));
}

TEST(Read, TakesATextWithoutNamesTypesThatAreSaidAndOrder) {
  const Graph g = read(
      "# a comment\n"
      "output y: %3\n"
      "\n"
      "forward layers.0\n"
      "%3 f32[2 4] = product(%1, %2) role=fprop factor=2 frequencies=(1.0)\r\n"
      "state %2 w f32[4 3] parameter\n"
      "input x: %1 x f32[2 3]");
  EXPECT_EQ(text_of(g),
            "input  x: %1 x f32[2 3]\n"
            "state  %2 w f32[4 3] parameter\n"
            "forward layers.0\n"
            "    %3 f32[2 4] = product(%1 x, %2 w) role=fprop factor=2 frequencies=(1.0)\n"
            "output y: %3 f32[2 4]\n"
            "# 1 nodes, 3 tensors, 1 states of 48 bytes: parameters 48\n");
}

struct Mistake {
  const char* name;
  const char* text;
  const char* sentence;
};

class WrongText : public testing::TestWithParam<Mistake> {};

TEST_P(WrongText, IsRefusedWithItsLineAndWhatWasExpected) {
  try {
    read(GetParam().text);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()), GetParam().sentence);
    EXPECT_EQ(e.exit_code(), 2);
  }
}

INSTANTIATE_TEST_SUITE_P(
    Read, WrongText,
    testing::Values(
        Mistake{"OfAnotherStatement", "\nnode x", "line 2: expected list, input, state, group, a phase, a node, output or tensor, got \"node x\""},
        Mistake{"WithoutAColon", "input x %1", "line 1: expected \":\", got \"%1\""},
        Mistake{"WithoutATensor", "input x:", "line 1: expected \"%\", got the end of the line"},
        Mistake{"WithoutANumber", "input x: %x", "line 1: expected the number of a tensor, got \"x\""},
        Mistake{"OfAHugeTensor", "tensor %4000000000 f32[]", "line 1: %4000000000 is not the number of a tensor: they are counted from 1"},
        Mistake{"OfTensorNull", "tensor %0 f32[]", "line 1: %0 is not the number of a tensor: they are counted from 1"},
        Mistake{"OfAnUnknownType", "tensor %1 f31[2]",
                "line 1: expected one of: none f32 bf16 f16 f64 i32 i64 u8 bool e4m3 e5m2 e8m0 e2m1, got \"f31[2]\""},
        Mistake{"OfAnOpenShape", "tensor %1 f32[2", "line 1: expected an extent or \"]\", got the end of the line"},
        Mistake{"OfAHugeExtent", "tensor %1 f32[99999999999999999999]",
                "line 1: expected an extent or \"]\", got \"99999999999999999999]\""},
        Mistake{"WithoutAType", "input x: %1", "line 1: %1 has no type in any line"},
        Mistake{"WithAGap", "tensor %2 f32[]", "there is no tensor %1, but there is %2"},
        Mistake{"OfTwoTypes", "tensor %1 f32[]\ntensor %1 f64[]", "line 2: %1 has another type above"},
        Mistake{"OfTwoLayouts", "tensor %1 f32[2]\ntensor %1 f32[2]{[4] data 2 axis 0}", "line 2: %1 has another type above"},
        Mistake{"OfTwoNames", "tensor %1 x f32[]\noutput y: %1 z", "line 2: %1 is named \"x\" above"},
        Mistake{"OfAnOpenName", "output \"y: %1",
                "line 1: expected a name that ends with a quote and escapes with \\\", \\\\ or \\x0a, got \"\"y: %1\""},
        Mistake{"OfAnotherEscape", "output \"\\n\"",
                "line 1: expected a name that ends with a quote and escapes with \\\", \\\\ or \\x0a, got \"\"\\n\"\""},
        Mistake{"OfAStateWithoutAType", "state %1 w", "line 1: expected the type of the state, got the end of the line"},
        Mistake{"OfAStateWithoutATensor", "state - master", "line 1: expected the type of the state, got \"master\""},
        Mistake{"OfAnotherKind", "state %1 f32[] weight",
                "line 1: expected one of: parameter gradient master moment cache statistic, got \"weight\""},
        Mistake{"OfAnotherFlag", "state %1 f32[] cache save",
                "line 1: expected trained, saved, of, init=, init_scale=, keeps_type or saved_name=, got \"save\""},
        Mistake{"OfAnotherStart", "state %1 f32[] cache init=one", "line 1: expected one of: zeros ones normal uniform copy, got \"one\""},
        Mistake{"WithoutAnOperation", "= (", "line 1: expected the name of an operation, got \"(\""},
        Mistake{"WithoutCommas", "= f(- -)", "line 1: expected \",\", got \"-)\""},
        Mistake{"WithoutAValue", "= f() a=", "line 1: expected an integer or a number, got the end of the line"},
        Mistake{"OfAMixedList", "= f() a=(1 2.0)", "line 1: a list has numbers or integers, not both"},
        Mistake{"OfAnUnknownList", "= f() a=$1", "line 1: no line above is the list $1"},
        Mistake{"OfTwoLists", "list $1 = (1)\nlist $1 = (2)", "line 2: the list $1 exists already"},
        Mistake{"OfABodyAlone", "| = f()", "line 1: a part of a body has no node above it"},
        Mistake{"OfAnotherReduction", "tensor %1 f32[]{[] data 2 owes mean}",
                "line 1: expected one of: sum max log_sum_exp, got \"mean}\""},
        Mistake{"OfALayoutWithoutAnAxis", "tensor %1 f32[]{[] data 2}", "line 1: expected axis or owes, got \"}\""},
        Mistake{"ThatGoesOn", "tensor %1 f32[] y", "line 1: expected the end of the line, got \"y\""}),
    [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace corral::graph
