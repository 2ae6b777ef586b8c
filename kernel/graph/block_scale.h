// Computes the scales of a quantized tensor from its largest values, in float32, as processors with these formats do.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "kernel/graph/low_precision.h"

namespace corral::graph {

constexpr size_t kPowerBlock = 32;  // elements that share a power of two
constexpr size_t kTile = 16;        // elements of a row, or rows and columns of a square, that share an E4M3 scale

inline float largest_in(std::span<const double> x) {
  float largest = 0;
  for (const double v : x)
    if (!std::isnan(v)) largest = std::max(largest, std::fabs(static_cast<float>(v)));
  return largest;
}

// The power of two at or above largest/max, so that nothing saturates; between 2^-127 and 2^127.
inline double power_scale(float largest, DType codes) {
  const float quotient = largest * static_cast<float>(1 / largest_of(codes));
  if (quotient == 0) return 0x1p-127;
  if (std::isinf(quotient)) return 0x1p127;
  int exponent = 0;
  const bool power = std::frexp(quotient, &exponent) == 0.5f;
  return std::exp2(std::max(exponent - (power ? 1 : 0), -127));
}

// The factor that brings the largest number of a tensor to the largest product of an E4M3 scale and an E2M1 code.
inline float tensor_scale(float largest) {
  const float scale = std::min(448.0f * 6.0f / largest, std::numeric_limits<float>::max());
  return largest == 0 || scale == 0 ? 1 : scale;
}

}  // namespace corral::graph
