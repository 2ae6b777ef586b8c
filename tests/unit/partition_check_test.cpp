#include <gtest/gtest.h>

#include "corral/error.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/partition/check.h"
#include "kernel/partition/layout.h"
#include "kernel/partition/stage.h"
#include "kernel/passes/autodiff.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

struct Part {
  const char* name;
  const char* text;
  const char* says;  // null: its layouts hold together
};

class Layouts : public testing::TestWithParam<Part> {};

TEST_P(Layouts, HoldTogetherOrAreRefused) {
  try {
    const Graph g = graph::read(GetParam().text);
    graph::verify(g);
    partition::check_layouts(g);
    EXPECT_EQ(GetParam().says, nullptr);
  } catch (const Error& e) {
    ASSERT_NE(GetParam().says, nullptr) << e.what();
    EXPECT_NE(std::string(e.what()).find(GetParam().says), std::string::npos) << e.what();
  }
}

#define ROWS "input x: %1 x f32[2 6]{[4 6] data 2 axis 0}\n"
#define FEATURES "input x: %1 x f32[4 3]{[4 6] tensor 2 axis 1}\n"
#define WEIGHT "state %2 w f32[5 6] parameter\n"
#define PARTIAL "input x: %1 x f32[4 6]{[4 6] tensor 2 owes sum}\n"
#define SAME "input y: %2 y f32[4 6]\n"

INSTANTIATE_TEST_SUITE_P(
    Partition, Layouts,
    testing::Values(
        Part{"CutInAllOperandsStaysCut", ROWS WEIGHT "forward\n%3 f32[2 5]{[4 5] data 2 axis 0} = product(%1, %2) role=fprop\n", nullptr},
        Part{"CutInOneOperandOnly",
             FEATURES WEIGHT "forward\n%4 f32[5 3]{[5 6] tensor 2 axis 1} = slice(%2) mesh=tensor axis=1 parts=2\n"
                             "%3 f32[4 5] = product(%1, %4) role=fprop\n",
             "gives \"\" partial (sum) over \"tensor\", but its layout is same"},
        Part{"CutOfTheSumIsPartial",
             FEATURES WEIGHT "forward\n%4 f32[5 3]{[5 6] tensor 2 axis 1} = slice(%2) mesh=tensor axis=1 parts=2\n"
                             "%3 f32[4 5]{[4 5] tensor 2 owes sum} = product(%1, %4) role=fprop\n",
             nullptr},
        Part{"OutputSaysLess", ROWS WEIGHT "forward\n%3 f32[2 5] = product(%1, %2) role=fprop\n",
             "gives \"\" cut along axis 0 over \"data\", but its layout is same"},
        Part{"CutNotInAll", ROWS "input y: %2 y f32[2 6]\nforward\n%3 f32[2 6]{[4 6] data 2 axis 0} = add(%1, %2)\n",
             "\"data\" cuts axis ...0 of a, but not of b"},
        Part{"CutInAnotherOrder",
             "input x: %1 x f32[2]{[4] data 2 axis 0}\ninput y: %2 y f32[2]{[4] data 2 axis 0 zigzag}\nforward\n"
             "%3 f32[2]{[4] data 2 axis 0} = add(%1, %2)\n",
             "cuts axis ...0 of a and axis ...0 of b"},
        Part{"ZigzagWithinAHead",
             "input x: %1 x f32[1 2 8]{[1 2 16] tensor 2 axis 2 zigzag}\ninput positions: %2 positions i32[1 2]\nforward\n"
             "%3 f32[1 2 8]{[1 2 16] tensor 2 axis 2 zigzag} = rope(%1, %2) head_dim=8 frequencies=(1.0 0.1 0.01 0.001)\n",
             "\"tensor\" cuts axis h of x in zigzag order, but 1 of it on a rank are not two equal pieces"},
        Part{"ZigzagOfHeads",
             "input x: %1 x f32[1 2 8]{[1 2 16] tensor 2 axis 2 zigzag}\ninput positions: %2 positions i32[1 2]\nforward\n"
             "%3 f32[1 2 8]{[1 2 16] tensor 2 axis 2 zigzag} = rope(%1, %2) head_dim=4 frequencies=(1.0 0.1)\n",
             nullptr},
        Part{"TwoAxesOverOneDimension",
             "input x: %1 x f32[2 6]{[4 6] tensor 2 axis 0}\nstate %2 w f32[5 6]{[10 6] tensor 2 axis 0} parameter\nforward\n"
             "%3 f32[2 5]{[4 5] tensor 2 axis 0} = product(%1, %2) role=fprop\n",
             "\"tensor\" cuts axis ...0 of a and axis n of b"},
        Part{"TwoAxesOverTwoDimensions",
             "input x: %1 x f32[2 6]{[4 6] data 2 axis 0}\nstate %2 w f32[5 6]{[10 6] tensor 2 axis 0} parameter\nforward\n"
             "%3 f32[2 5]{[4 10] data 2 axis 0 tensor 2 axis 1} = product(%1, %2) role=fprop\n",
             nullptr},
        Part{"AnAxisThatMustBeWhole",
             FEATURES "state %2 w f32[3]{[6] tensor 2 axis 0} parameter\nforward\n"
                      "%3 f32[4 3]{[4 6] tensor 2 axis 1} = rms_norm(%1, %2) eps=1e-5\n",
             "\"tensor\" cuts axis d of x, which must be whole"},
        Part{"LargestOwesTheLargest", ROWS "forward\n%2 f32[1]{[1] data 2 owes max} = amax(%1)\n", nullptr},
        Part{"LargestOwesNoSum", ROWS "forward\n%2 f32[1]{[1] data 2 owes sum} = amax(%1)\n",
             "gives \"\" partial (max) over \"data\", but its layout is partial (sum)"},
        Part{"APartialSumIsScaled", PARTIAL "forward\n%2 f32[4 6]{[4 6] tensor 2 owes sum} = scale(%1) factor=2.0\n", nullptr},
        Part{"APartialSumIsMultipliedByWhatIsSame", PARTIAL SAME "forward\n%3 f32[4 6]{[4 6] tensor 2 owes sum} = mul(%1, %2)\n", nullptr},
        Part{"APartialSumIsSquared", PARTIAL "forward\n%2 f32[4 6]{[4 6] tensor 2 owes sum} = mul(%1, %1)\n",
             "a, b is a partial sum, in which it is not linear"},
        Part{"WhatIsSameIsAddedToAPartialSum", PARTIAL SAME "forward\n%3 f32[4 6]{[4 6] tensor 2 owes sum} = add(%1, %2)\n",
             "a is a partial sum, in which it is not linear"},
        Part{"WhatIsSameIsAccumulatedToAPartialSum",
             PARTIAL SAME "forward\n%3 f32[4 6]{[4 6] tensor 2 owes sum} = scale(%1)\n+%3 = scale(%2)\n",
             "gives \"\" same over \"tensor\", but its layout is partial (sum)"},
        Part{"PartialSumsAreAdded", PARTIAL "forward\n%2 f32[4 6]{[4 6] tensor 2 owes sum} = add(%1, %1)\n+%2 = scale(%1)\n", nullptr},
        Part{"ACurveOfAPartialSum", PARTIAL "forward\n%2 f32[4 6]{[4 6] tensor 2 owes sum} = swiglu(%1, %1)\n",
             "is a partial sum, in which it is not linear"},
        Part{"APartialLargestIsScaled",
             "input x: %1 x f32[1]{[1] tensor 2 owes max}\nforward\n%2 f32[1]{[1] tensor 2 owes max} = scale(%1) factor=2.0\n",
             "partial (max) over"},
        Part{"APartialSumBesideACut",
             "input x: %1 x f32[4 6]{[4 6] tensor 2 owes sum}\nstate %2 w f32[5 6]{[10 6] tensor 2 axis 0} parameter\nforward\n"
             "%3 f32[4 5]{[4 10] tensor 2 axis 1} = product(%1, %2) role=fprop\n",
             "a is a partial sum and another operand is cut"},
        Part{"AnOutputThatOwes", PARTIAL "output y: %1\n", "output \"x\" is partial (sum) over \"tensor\""},
        Part{"AStoredStateThatOwes", "state %1 m f32[2]{[2] data 2 owes sum} moment saved\n", "state \"m\" is partial (sum) over \"data\""},
        Part{"OneRankOfADimensionIsAnother", ROWS "input y: %2 y f32[2]{[8] data 4 axis 0}\n",
             "has 4 ranks in the mesh dimension \"data\", which has 2 elsewhere"},
        Part{"AConversionOfWhatIsNotThat", ROWS "forward\n%2 f32[2 6] = all_reduce(%1) mesh=data parts=2 reduction=sum\n",
             "needs an input that is partial (sum) over \"data\", but \"x\" is cut along axis 0"},
        Part{"AConversionInAnotherOrder",
             "input x: %1 x f32[2]{[4] data 2 axis 0 zigzag}\nforward\n%2 f32[4] = all_gather(%1) mesh=data axis=0 parts=2\n",
             "needs an input that is cut along axis 0 over \"data\", but \"x\" is cut along axis 0 in zigzag order"},
        Part{"AConversionLeavesOtherDimensions",
             "input x: %1 x f32[2 3]{[4 6] data 2 axis 0 tensor 2 axis 1}\nforward\n"
             "%2 f32[2 6]{[4 6] data 2 axis 0} = all_gather(%1) mesh=tensor axis=1 parts=2\n",
             nullptr},
        Part{"AConversionOfTheOuterCut",
             "input x: %1 x f32[2]{[8] data 2 axis 0 tensor 2 axis 0}\nforward\n"
             "%2 f32[4]{[8] tensor 2 axis 0} = all_gather(%1) mesh=data axis=0 parts=2\n",
             "cut along axis 0 over \"tensor\" within its parts over \"data\""},
        Part{"AllToAllMovesTheCut",
             FEATURES
             "forward\n%2 f32[2 6]{[4 6] tensor 2 axis 0 zigzag} = all_to_all(%1) mesh=tensor from=1 to=0 to_order=zigzag parts=2\n",
             nullptr},
        Part{"AGradientConvertedOnEveryMicroBatch",
             "state %1 g f32[2]{[2] data 2 owes sum} gradient\nbackward\n"
             "%2 f32[2] = all_reduce(%1) mesh=data parts=2 reduction=sum\n",
             "converts \"g\" on every micro-batch"},
        Part{"AGradientConvertedAfterTheLast",
             "state %1 g f32[2]{[2] data 2 owes sum} gradient\nbackward last\n"
             "%2 f32[2] = all_reduce(%1) mesh=data parts=2 reduction=sum\n",
             nullptr},
        Part{"APartThatIsNotOne", "tensor %1 x f32[3]{[4] data 2 axis 0}\n", "\"x\" is [3], but its part of [4] is [2]"},
        Part{"AnUnevenCut", "tensor %1 x f32[2]{[5] data 2 axis 0}\n", "cuts axis 0 unevenly into 2 parts"},
        Part{"AnUnevenZigzag", "tensor %1 x f32[3]{[6] data 2 axis 0 zigzag}\n", "cuts axis 0 unevenly into 2 parts"},
        Part{"AnAxisThatIsNot", "tensor %1 x f32[4]{[4] data 2 axis 1}\n", "cuts axis 1 of 1"},
        Part{"ADimensionTwice", "tensor %1 x f32[1]{[4] data 2 axis 0 data 2 axis 0}\n", "names the mesh dimension \"data\" twice"},
        Part{"ADimensionOfNoRank", "tensor %1 x f32[4]{[4] data 0 owes sum}\n", "has 0 parts over \"data\""}),
    [](const auto& info) { return std::string(info.param.name); });

#undef ROWS
#undef FEATURES
#undef WEIGHT
#undef PARTIAL
#undef SAME

// Rank 1 of 2 x 2: the outer half over data, of that the chunks 1 and 2 of 4 over tensor.
TEST(Layout, SaysThePlacesOfARanksNumbers) {
  const Graph g = graph::read("tensor %1 x f32[4]{[16] data 2 axis 0 tensor 2 axis 0 zigzag}\ntensor %2 y f32[2]{[2] data 2 owes sum}\n");
  const graph::Mesh mesh{{{"data", 2}, {"tensor", 2}}};
  EXPECT_EQ(partition::places(g, 1, mesh, 0), (std::vector<size_t>{0, 1, 6, 7}));
  EXPECT_EQ(partition::places(g, 1, mesh, 1), (std::vector<size_t>{2, 3, 4, 5}));
  EXPECT_EQ(partition::places(g, 1, mesh, 3), (std::vector<size_t>{10, 11, 12, 13}));
  const std::vector<double> whole{5, 6};
  EXPECT_EQ(partition::part_of(g, 2, mesh, 1, whole), whole);
  EXPECT_EQ(partition::part_of(g, 2, mesh, 2, whole), (std::vector<double>{0, 0}));
}

void refuses(const Graph& g, partition::Stage stage, const char* says) {
  try {
    partition::verify(g, stage);
    FAIL() << "accepted, not refused with: " << says;
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(says), std::string::npos) << e.what();
  }
}

TEST(Stage, RefusesWhatComesLaterAndDemandsWhatIsThere) {
  using partition::Stage;
  const Graph model = small_model(), differentiated = passes::autodiff(small_model());
  partition::verify(model, Stage::kModel);
  partition::verify(differentiated, Stage::kDifferentiated);
  refuses(differentiated, Stage::kModel, "stage model: token_loss_backward in head");
  refuses(model, Stage::kDifferentiated, "stage differentiated: the parameter \"embedding\" is trained and has no gradient");
  refuses(differentiated, Stage::kUpdated, "stage updated: the parameter \"embedding\" is trained and not updated");
  Graph g = differentiated;
  g.tensors[1].layout.global = g.tensors[1].shape;
  refuses(g, Stage::kDifferentiated, "has a layout before the partition");
  g = graph::read("input x: %1 x f32[2]\nforward\n%2 f32[2] = all_reduce(%1) mesh=data parts=2 reduction=sum\n");
  refuses(g, Stage::kModel, "is a conversion before the partition");
  refuses(graph::read("state %1 w f32[2] parameter trained\nstate %2 g f32[3] gradient of %1\n"), Stage::kDifferentiated,
          "the gradient of \"w\" has another shape");
  g = graph::read("input x: %1 x f32[2]\nupdate\n%2 f32[2] = scale(%1)\n");
  refuses(g, Stage::kDifferentiated, "belongs to a later phase");
  partition::verify(g, Stage::kUpdated);
}

}  // namespace
}  // namespace corral
