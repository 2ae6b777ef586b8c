#include "plugins/dataset/common/blend.h"

#include <gtest/gtest.h>

#include <cmath>

namespace corral::data {
namespace {
TEST(Blend, NumbersEachSourcesRowsWithoutAGap) {
  const Blend blend({0.5, 0.2, 0.3});
  std::vector<uint64_t> next(3);
  for (uint64_t row = 0; row < 5000; ++row) {
    const Blend::Place place = blend(row);
    ASSERT_EQ(place.row, next.at(place.source)++) << row;
  }
}

TEST(Blend, StaysWithinTwoRowsOfTheSharesAtEveryMoment) {
  const std::vector<double> weights{3, 1, 4, 2};
  const Blend blend(weights);
  std::vector<double> dealt(4);
  for (uint64_t row = 0; row < 10000; ++row) {
    ++dealt[blend(row).source];
    for (size_t s = 0; s < 4; ++s) ASSERT_LT(std::abs(dealt[s] - weights[s] / 10 * static_cast<double>(row + 1)), 2) << row << " " << s;
  }
}

TEST(Blend, HoldsItsSharesFarIntoARun) {
  const Blend blend({0.3, 0.7});
  const uint64_t far = 5'000'000'000'003ull;
  uint64_t first = 0;
  while (blend(far + first).source != 0) ++first;
  EXPECT_NEAR(static_cast<double>(blend(far + first).row), 0.3 * static_cast<double>(far), 2000);
  EXPECT_EQ(Blend({1})(far).row, far);
}
}  // namespace
}  // namespace corral::data
