#include <gtest/gtest.h>

#include <cmath>

#include "corral/error.h"
#include "kernel/checkpoint/element.h"

namespace corral::checkpoint {
namespace {

// The code whose value is nearest, ties to the even code, found by comparing all 65536 codes. Beyond `largest` it is 0.
template <class Decode>
uint16_t nearest_code(double value, Decode decode, double largest) {
  if (std::abs(value) >= largest) return 0;
  uint16_t best = 0;
  double best_distance = INFINITY;
  for (uint32_t code = 0; code < 65536; ++code) {
    const double x = decode(static_cast<uint16_t>(code));
    if (!std::isfinite(x) || std::signbit(x) != std::signbit(value)) continue;
    const double distance = std::abs(x - value);
    if (distance < best_distance || (distance == best_distance && code % 2 == 0)) {
      best = static_cast<uint16_t>(code);
      best_distance = distance;
    }
  }
  return best;
}

TEST(Elements, RoundToTheNearestTiesToEven) {
  const float values[] = {0.0f,     -0.0f,          1.0f,    1.00390625f,    1.01171875f, -1.00390625f, 3.14159274f,
                          1e-3f,    65504.0f,       2049.0f, 2051.0f,        6.1e-5f,     5.96e-8f,     2.98e-8f,
                          2.99e-8f, 8.94069672e-8f, -1e-5f,  6.10351562e-5f, 0.1f,        6.0975552e-5f};
  for (const float value : values) {
    EXPECT_EQ(f32_to_bf16(value), nearest_code(value, bf16_to_f32, 3e38)) << value;
    EXPECT_EQ(f32_to_f16(value), nearest_code(value, f16_to_f32, 65505)) << value;
  }
}

TEST(Elements, EveryHalfSurvivesTheWayToFloatAndBack) {
  for (uint32_t code = 0; code < 65536; ++code) {
    const auto bits = static_cast<uint16_t>(code);
    if (std::isnan(f16_to_f32(bits)))
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(f16_to_f32(bits)))));
    else
      ASSERT_EQ(f32_to_f16(f16_to_f32(bits)), bits);
    if (std::isnan(bf16_to_f32(bits)))
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(bf16_to_f32(bits)))));
    else
      ASSERT_EQ(f32_to_bf16(bf16_to_f32(bits)), bits);
  }
}

TEST(Elements, TooLargeIsInfinityAndNanStaysNan) {
  EXPECT_EQ(f32_to_f16(65519.9f), 0x7bff);
  EXPECT_EQ(f32_to_f16(65520.0f), 0x7c00);
  EXPECT_EQ(f32_to_f16(-INFINITY), 0xfc00);
  EXPECT_EQ(f32_to_bf16(3.4028235e38f), 0x7f80);
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(std::bit_cast<float>(0x7f800001u)))));
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(std::bit_cast<float>(0xff800001u)))));
}

TEST(Elements, OnlyFloatsAreConverted) {
  const int32_t from = 1;
  float to = 0;
  EXPECT_THROW(convert(DType::I32, &from, DType::F32, &to, 1), Error);
  EXPECT_THROW(element_bytes(DType::F4_E2M1), Error);
  EXPECT_THROW(element_count({int64_t{1} << 40, int64_t{1} << 40}), Error);
}

}  // namespace
}  // namespace corral::checkpoint
