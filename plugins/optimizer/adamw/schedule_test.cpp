#include "plugins/optimizer/adamw/schedule.h"

#include <gtest/gtest.h>

#include "corral/error.h"

namespace corral::adamw {
namespace {

Schedule schedule(const std::string& style) { return {style, 3e-3, 3e-4, 0, 2, 8, 3, "linear"}; }

// The rates of tests/interop/oracle/golden_train.py.
TEST(Schedule, CosineEqualsTheGoldenRun) {
  const double expected[] = {0.0, 0.0015, 0.003, 0.0028191342951089924, 0.002325, 0.00165, 0.0009750000000000004, 0.00048086570489100773};
  for (int64_t n = 0; n < 8; ++n) EXPECT_NEAR(learning_rate(schedule("cosine"), n), expected[n], 1e-17) << n;
}

TEST(Schedule, ReachesTheLeastRateAtTheLastDecayStepAndStays) {
  for (const char* style : {"cosine", "linear", "WSD"}) {
    EXPECT_NEAR(learning_rate(schedule(style), 8), 3e-4, 1e-18) << style;
    EXPECT_EQ(learning_rate(schedule(style), 9), 3e-4) << style;
  }
  EXPECT_EQ(learning_rate(schedule("constant"), 100), 3e-3);
}

TEST(Schedule, WsdStaysAtTheTopUntilItsFinalDecay) {
  EXPECT_EQ(learning_rate(schedule("WSD"), 5), 3e-3);
  EXPECT_NEAR(learning_rate(schedule("WSD"), 6), 3e-4 + 2.0 / 3 * 2.7e-3, 1e-18);
}

TEST(Schedule, TheFinalDecayOfWsdHasFourForms) {
  const auto half_way = [](const char* style) { return (learning_rate({"WSD", 3e-3, 3e-4, 0, 2, 8, 4, style}, 6) - 3e-4) / 2.7e-3; };
  EXPECT_NEAR(half_way("linear"), 0.5, 1e-12);
  EXPECT_NEAR(half_way("cosine"), 0.5, 1e-12);
  EXPECT_NEAR(half_way("exponential"), 0.41421356237309515, 1e-12);
  EXPECT_NEAR(half_way("minus_sqrt"), 0.2928932188134524, 1e-12);
}

TEST(Schedule, TheInverseSquareRootFallsFromTheWarmUpOnDownToTheLeastRate) {
  EXPECT_NEAR(learning_rate(schedule("inverse-square-root"), 8), 1.5e-3, 1e-15);
  EXPECT_EQ(learning_rate({"inverse-square-root", 3e-3, 2e-3, 0, 2, 8, 3, "linear"}, 8), 2e-3);
}

TEST(Schedule, LinearIsHalfWayDownHalfWay) { EXPECT_NEAR(learning_rate(schedule("linear"), 5), (3e-3 + 3e-4) / 2, 1e-18); }

TEST(Schedule, WarmUpThatDoesNotEndIsRefusedWithAValueThatFits) {
  Schedule s = schedule("cosine");
  s.warmup = 200;
  s.decay = 200;
  try {
    check(s);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("optimizer.lr_warmup_iters=20 "), std::string::npos) << e.what();
  }
}

TEST(Schedule, UnknownStyleNamesTheNearest) {
  Schedule s = schedule("cosin");
  try {
    check(s);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"cosine\""), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace corral::adamw
