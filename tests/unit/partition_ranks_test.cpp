// Two ranks whose graphs were cut by hand give the numbers of the whole graph, and no conversion can be left out.
#include "tests/unit/partition_ranks.h"

#include <algorithm>

#include "kernel/graph/op.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/check.h"
#include "kernel/partition/stage.h"
#include "kernel/passes/autodiff.h"
#include "tests/partition/without_conversion.h"

namespace corral {
namespace {

// A gated MLP with a residual, below it a trained scale so that the gradient of its input is needed.
constexpr char kMlp[] = R"(
input  input: %1 input f32[4 6]
state  %2 scale f32[4 6] parameter trained
state  %3 gate f32[8 6] parameter trained
state  %4 up f32[8 6] parameter trained
state  %5 down f32[6 8] parameter trained
forward layers.0
    %6 x f32[4 6] = mul(%1, %2)
    %7 f32[4 8] = product(%6, %3) role=fprop
    %8 f32[4 8] = product(%6, %4) role=fprop
    %9 f32[4 8] = swiglu(%7, %8)
    %10 f32[4 6] = product(%9, %5) role=fprop
    %11 y f32[4 6] = add(%6, %10)
    %12 losses f32[4 6] = mul(%11, %11)
output losses: %12
)";

// Gate and up are cut by rows, down by columns. The forward phase owes one sum, the backward phase another.
constexpr char kTensor[] = R"(
input  input: %1 input f32[4 6]
input  weights: %14 weights f32[4 6]
state  %2 scale f32[4 6] parameter trained
state  %3 gate f32[4 6]{[8 6] tensor 2 axis 0} parameter trained
state  %4 up f32[4 6]{[8 6] tensor 2 axis 0} parameter trained
state  %5 down f32[6 4]{[6 8] tensor 2 axis 1} parameter trained
state  %20 gradient.scale f32[4 6] gradient of %2
state  %21 gradient.gate f32[4 6]{[8 6] tensor 2 axis 0} gradient of %3
state  %22 gradient.up f32[4 6]{[8 6] tensor 2 axis 0} gradient of %4
state  %23 gradient.down f32[6 4]{[6 8] tensor 2 axis 1} gradient of %5
forward first gradients
    %20 = fill(%20)
    %21 = fill(%21)
    %22 = fill(%22)
    %23 = fill(%23)
forward layers.0
    %6 x f32[4 6] = mul(%1, %2)
    %7 f32[4 4]{[4 8] tensor 2 axis 1} = product(%6, %3) role=fprop
    %8 f32[4 4]{[4 8] tensor 2 axis 1} = product(%6, %4) role=fprop
    %9 f32[4 4]{[4 8] tensor 2 axis 1} = swiglu(%7, %8)
    %10 f32[4 6]{[4 6] tensor 2 owes sum} = product(%9, %5) role=fprop
    %13 f32[4 6] = all_reduce(%10) mesh=tensor parts=2 reduction=sum
    %11 y f32[4 6] = add(%6, %13)
    %12 losses f32[4 6] = mul(%11, %11)
backward layers.0
    %15 dy f32[4 6] = mul(%14, %11)
    +%15 = mul(%14, %11)
    +%23 = product(%15, %9) role=wgrad
    %16 f32[4 4]{[4 8] tensor 2 axis 1} = product(%15, %5) role=dgrad
    %17 f32[4 4]{[4 8] tensor 2 axis 1}, %18 f32[4 4]{[4 8] tensor 2 axis 1} = swiglu_backward(%7, %8, %16)
    +%21 = product(%17, %6) role=wgrad
    +%22 = product(%18, %6) role=wgrad
    %19 dx f32[4 6]{[4 6] tensor 2 owes sum} = product(%17, %3) role=dgrad
    +%19 = product(%18, %4) role=dgrad
    %24 f32[4 6] = all_reduce(%19) mesh=tensor parts=2 reduction=sum
    +%24 = scale(%15) factor=1.0
    +%20 = mul(%24, %1)
output losses: %12
)";

// The same cut, where activations between the products are cut over token positions too.
constexpr char kSequence[] = R"(
input  input: %1 input f32[2 6]{[4 6] tensor 2 axis 0}
input  weights: %14 weights f32[2 6]{[4 6] tensor 2 axis 0}
state  %2 scale f32[2 6]{[4 6] tensor 2 axis 0} parameter trained
state  %3 gate f32[4 6]{[8 6] tensor 2 axis 0} parameter trained
state  %4 up f32[4 6]{[8 6] tensor 2 axis 0} parameter trained
state  %5 down f32[6 4]{[6 8] tensor 2 axis 1} parameter trained
state  %20 gradient.scale f32[2 6]{[4 6] tensor 2 axis 0} gradient of %2
state  %21 gradient.gate f32[4 6]{[8 6] tensor 2 axis 0} gradient of %3
state  %22 gradient.up f32[4 6]{[8 6] tensor 2 axis 0} gradient of %4
state  %23 gradient.down f32[6 4]{[6 8] tensor 2 axis 1} gradient of %5
forward first gradients
    %20 = fill(%20)
    %21 = fill(%21)
    %22 = fill(%22)
    %23 = fill(%23)
forward layers.0
    %6 x f32[2 6]{[4 6] tensor 2 axis 0} = mul(%1, %2)
    %25 f32[4 6] = all_gather(%6) mesh=tensor axis=0 parts=2
    %7 f32[4 4]{[4 8] tensor 2 axis 1} = product(%25, %3) role=fprop
    %8 f32[4 4]{[4 8] tensor 2 axis 1} = product(%25, %4) role=fprop
    %9 f32[4 4]{[4 8] tensor 2 axis 1} = swiglu(%7, %8)
    %10 f32[4 6]{[4 6] tensor 2 owes sum} = product(%9, %5) role=fprop
    %13 f32[2 6]{[4 6] tensor 2 axis 0} = reduce_scatter(%10) mesh=tensor axis=0 parts=2 reduction=sum
    %11 y f32[2 6]{[4 6] tensor 2 axis 0} = add(%6, %13)
    %12 losses f32[2 6]{[4 6] tensor 2 axis 0} = mul(%11, %11)
backward layers.0
    %15 dy f32[2 6]{[4 6] tensor 2 axis 0} = mul(%14, %11)
    +%15 = mul(%14, %11)
    %26 f32[4 6] = all_gather(%15) mesh=tensor axis=0 parts=2
    +%23 = product(%26, %9) role=wgrad
    %16 f32[4 4]{[4 8] tensor 2 axis 1} = product(%26, %5) role=dgrad
    %17 f32[4 4]{[4 8] tensor 2 axis 1}, %18 f32[4 4]{[4 8] tensor 2 axis 1} = swiglu_backward(%7, %8, %16)
    %27 f32[4 6] = all_gather(%6) mesh=tensor axis=0 parts=2
    +%21 = product(%17, %27) role=wgrad
    +%22 = product(%18, %27) role=wgrad
    %19 dx f32[4 6]{[4 6] tensor 2 owes sum} = product(%17, %3) role=dgrad
    +%19 = product(%18, %4) role=dgrad
    %24 f32[2 6]{[4 6] tensor 2 axis 0} = reduce_scatter(%19) mesh=tensor axis=0 parts=2 reduction=sum
    +%24 = scale(%15) factor=1.0
    +%20 = mul(%24, %1)
output losses: %12
)";

// One linear layer and its update, which clips the gradient of the mean over the weights.
constexpr char kStep[] = R"(
input  x: %1 x f32[4 6]
input  lr: %2 lr f64[1]
input  step: %3 step f64[1]
state  %4 w f32[6 6] parameter trained
state  %5 exp_avg f32[6 6] moment of %4
state  %6 exp_avg_sq f32[6 6] moment of %4
state  %7 master f32[6 6] master of %4
state  %8 gradient.w f32[6 6] gradient of %4
state  %9 loss_sum f64[1] statistic
state  %10 weight_sum f64[1] statistic
forward first gradients
    %8 = fill(%8)
    %9 = fill(%9)
    %10 = fill(%10)
forward layers.0
    %11 f32[4 6] = product(%1, %4) role=fprop
    %12 losses f32[4 6] = mul(%11, %11)
    %13 weights f32[4 6] = fill(%12) value=1.0
    +%9 = sum(%12)
    +%10 = sum(%13)
backward layers.0
    %14 f32[4 6] = scale(%11) factor=2.0
    +%8 = product(%14, %1) role=wgrad
update optimizer
    %15 squares f32[1] = sum_of_squares(%8)
    %16 factor f32[1], %17 norm f32[1], %18 finite f32[1] = clip_factor(%15, %9, %10) clip=0.01
    %7, %5, %6, %4 = adamw(%7, %5, %6, %8, %16, %18, %2, %3)
    %19 loss f64[1] = divide(%9, %10)
output norm: %17
output loss: %19
)";

// Each rank has half of the batch: gradient and sums are partial until the update.
constexpr char kData[] = R"(
input  x: %1 x f32[2 6]{[4 6] data 2 axis 0}
input  lr: %2 lr f64[1]
input  step: %3 step f64[1]
state  %4 w f32[6 6] parameter trained
state  %5 exp_avg f32[6 6] moment of %4
state  %6 exp_avg_sq f32[6 6] moment of %4
state  %7 master f32[6 6] master of %4
state  %8 gradient.w f32[6 6]{[6 6] data 2 owes sum} gradient of %4
state  %9 loss_sum f64[1]{[1] data 2 owes sum} statistic
state  %10 weight_sum f64[1]{[1] data 2 owes sum} statistic
forward first gradients
    %8 = fill(%8)
    %9 = fill(%9)
    %10 = fill(%10)
forward layers.0
    %11 f32[2 6]{[4 6] data 2 axis 0} = product(%1, %4) role=fprop
    %12 losses f32[2 6]{[4 6] data 2 axis 0} = mul(%11, %11)
    %13 weights f32[2 6]{[4 6] data 2 axis 0} = fill(%12) value=1.0
    +%9 = sum(%12)
    +%10 = sum(%13)
backward layers.0
    %14 f32[2 6]{[4 6] data 2 axis 0} = scale(%11) factor=2.0
    +%8 = product(%14, %1) role=wgrad
update optimizer
    %20 f32[6 6] = all_reduce(%8) mesh=data parts=2 reduction=sum
    %21 f64[1] = all_reduce(%9) mesh=data parts=2 reduction=sum
    %22 f64[1] = all_reduce(%10) mesh=data parts=2 reduction=sum
    %15 squares f32[1] = sum_of_squares(%20)
    %16 factor f32[1], %17 norm f32[1], %18 finite f32[1] = clip_factor(%15, %21, %22) clip=0.01
    %7, %5, %6, %4 = adamw(%7, %5, %6, %20, %16, %18, %2, %3)
    %19 loss f64[1] = divide(%21, %22)
output norm: %17
output loss: %19
)";

// Masters and moments are cut by rows too: the gradient is scattered, the rounded parameter is gathered, and the norm owes a sum.
constexpr char kSharded[] = R"(
input  x: %1 x f32[2 6]{[4 6] data 2 axis 0}
input  lr: %2 lr f64[1]
input  step: %3 step f64[1]
state  %4 w f32[6 6] parameter trained
state  %5 exp_avg f32[3 6]{[6 6] data 2 axis 0} moment of %4
state  %6 exp_avg_sq f32[3 6]{[6 6] data 2 axis 0} moment of %4
state  %7 master f32[3 6]{[6 6] data 2 axis 0} master of %4
state  %8 gradient.w f32[6 6]{[6 6] data 2 owes sum} gradient of %4
state  %9 loss_sum f64[1]{[1] data 2 owes sum} statistic
state  %10 weight_sum f64[1]{[1] data 2 owes sum} statistic
forward first gradients
    %8 = fill(%8)
    %9 = fill(%9)
    %10 = fill(%10)
forward layers.0
    %11 f32[2 6]{[4 6] data 2 axis 0} = product(%1, %4) role=fprop
    %12 losses f32[2 6]{[4 6] data 2 axis 0} = mul(%11, %11)
    %13 weights f32[2 6]{[4 6] data 2 axis 0} = fill(%12) value=1.0
    +%9 = sum(%12)
    +%10 = sum(%13)
backward layers.0
    %14 f32[2 6]{[4 6] data 2 axis 0} = scale(%11) factor=2.0
    +%8 = product(%14, %1) role=wgrad
update optimizer
    %20 f32[3 6]{[6 6] data 2 axis 0} = reduce_scatter(%8) mesh=data axis=0 parts=2 reduction=sum
    %21 f64[1] = all_reduce(%9) mesh=data parts=2 reduction=sum
    %22 f64[1] = all_reduce(%10) mesh=data parts=2 reduction=sum
    %23 f32[1]{[1] data 2 owes sum} = sum_of_squares(%20)
    %15 squares f32[1] = all_reduce(%23) mesh=data parts=2 reduction=sum
    %16 factor f32[1], %17 norm f32[1], %18 finite f32[1] = clip_factor(%15, %21, %22) clip=0.01
    %7, %5, %6, %24 f32[3 6]{[6 6] data 2 axis 0} = adamw(%7, %5, %6, %20, %16, %18, %2, %3)
    %4 = all_gather(%24) mesh=data axis=0 parts=2
    %19 loss f64[1] = divide(%21, %22)
output norm: %17
output loss: %19
)";

struct HandCutGraph {
  const char* name;
  const char *whole, *rank;
  const char* mesh;
  size_t conversions;
};

const HandCutGraph kCuts[] = {{"Tensor", kMlp, kTensor, "tensor", 2},
                              {"Sequence", kMlp, kSequence, "tensor", 5},
                              {"Data", kStep, kData, "data", 3},
                              {"Sharded", kStep, kSharded, "data", 5}};

Graph whole_of(const HandCutGraph& c) {
  const Graph g = graph::read(c.whole);
  return g.states.size() == 4 ? passes::autodiff(g) : g;
}

graph::RankInterpreter ranks_of(const HandCutGraph& c, const Graph& g) { return {{g, g}, {{{c.mesh, 2}}}}; }

// Trains two steps of two micro-batches; returns the distance at the end.
double train(const HandCutGraph& c, const Graph& rank) {
  const Graph whole = whole_of(c);
  graph::Interpreter one(whole);
  graph::RankInterpreter many = ranks_of(c, rank);
  const auto size = [&](TensorId t) { return static_cast<size_t>(elements(whole.tensors[t].shape)); };
  for (const State& s : whole.states)
    if (s.kind == StateKind::PARAMETER)
      set(whole, one, many, name_of(whole, s.tensor), values_of(name_of(whole, s.tensor), size(s.tensor)));
  const auto run = [&](const auto& chosen) {
    one.run(chosen);
    many.run(chosen);
  };
  for (int step = 1; step <= 2; ++step) {
    for (const When when : {When::FIRST, When::LAST}) {
      for (const Port& p : whole.inputs) {
        const std::string name = name_of(whole, p.tensor);
        std::vector<double> values = values_of(name + std::to_string(step) + std::to_string(static_cast<int>(when)), size(p.tensor));
        if (name == "lr") values = {0.01};
        if (name == "step") values = {static_cast<double>(step)};
        set(whole, one, many, name, values);
      }
      run([&](const Node& n) { return n.phase != Phase::UPDATE && (n.when == When::EVERY || n.when == when); });
    }
    run([](const Node& n) { return n.phase == Phase::UPDATE; });
  }
  return distance(whole, one, many);
}

class HandCut : public testing::TestWithParam<HandCutGraph> {};

TEST_P(HandCut, EqualsTheWholeGraph) {
  const Graph rank = graph::read(GetParam().rank);
  partition::verify(rank, partition::Stage::kPartitioned);
  EXPECT_LT(train(GetParam(), rank), 1e-12);
}

// Drops one conversion: readers of its output read its input. If the shapes still fit, the numbers differ; the layouts are refused in any
// case.
TEST_P(HandCut, IsRefusedAndWrongWithoutAnyOfItsConversions) {
  const Graph rank = graph::read(GetParam().rank);
  size_t dropped = 0;
  for (size_t i = 0; i < rank.nodes.size(); ++i) {
    if (!find_attribute(rank, rank.nodes[i], "mesh")) continue;
    ++dropped;
    const Graph g = without_conversion(rank, i);
    EXPECT_THROW(partition::check_layouts(g), Error) << graph::where(rank, i);
    try {
      EXPECT_GT(train(GetParam(), g), 1e-3) << graph::where(rank, i);
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(dropped, GetParam().conversions);
}

INSTANTIATE_TEST_SUITE_P(Partition, HandCut, testing::ValuesIn(kCuts), [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace corral
