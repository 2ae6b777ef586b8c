// A step whose numbers are NaN or infinite changes nothing.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/steps/small_training.h"

namespace corral {
namespace {

// The parameter is the weight of one target. With NaN and infinity the loss is not finite. With 1e30 the loss and all gradients are finite,
// but not their norm.
class NotFinite : public testing::TestWithParam<std::tuple<const char*, double>> {};

TEST_P(NotFinite, TheSeventhStepLeavesTheBytesOfTheSixth) {
  const auto [precision, planted] = GetParam();
  SmallTraining run(precision);
  train::Batch good = run.batch(), bad = good;
  bad.weights[0] = static_cast<float>(planted);
  for (int i = 0; i < 6; ++i) run.train({good, good});
  const auto sixth = run.saved();
  const train::StepResult seventh = run.train({good, bad});
  EXPECT_FALSE(std::isfinite(seventh.loss_sum) && std::isfinite(seventh.grad_norm));
  EXPECT_EQ(std::isfinite(seventh.loss_sum), planted == 1e30);
  EXPECT_EQ(run.saved(), sixth);
  const train::StepResult eighth = run.train({good, good});
  EXPECT_TRUE(std::isfinite(eighth.loss_sum) && std::isfinite(eighth.grad_norm));
  EXPECT_NE(run.saved(), sixth);
}

INSTANTIATE_TEST_SUITE_P(Steps, NotFinite, testing::Combine(testing::Values("fp32", "bf16"), testing::Values(NAN, INFINITY, 1e30)));

}  // namespace
}  // namespace corral
