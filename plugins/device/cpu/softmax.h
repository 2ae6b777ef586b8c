// Maxima and sums of exponentials over a row.
#pragma once

#include <algorithm>

#include "plugins/device/cpu/vector.h"

namespace corral::cpu {

inline float largest(const float* x, int64_t n) {
  Vec most = broadcast(-__builtin_inff());
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) most = max(most, load(x + i));
  float result = largest(most);
  for (; i < n; ++i) result = std::max(result, x[i]);
  return result;
}

// Loads the first n < kLanes numbers; the other lanes add nothing to a sum of exponentials.
inline Vec load_first(const float* x, int64_t n) {
  Vec v = broadcast(-__builtin_inff());
  std::memcpy(&v, x, static_cast<size_t>(n) * sizeof(float));
  return v;
}

inline float sum_of_exp(const float* x, int64_t n, float base) {
  Vec total = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) total += exp(load(x + i) - base);
  if (i < n) total += exp(load_first(x + i, n - i) - base);
  return sum(total);
}

// x = weight * e^(x - base). Returns the sum.
inline float scaled_exp(float* x, int64_t n, float base, float weight) {
  Vec total = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Vec y = exp(load(x + i) - base) * weight;
    store(x + i, y);
    total += y;
  }
  if (i < n) {
    const Vec y = exp(load_first(x + i, n - i) - base) * weight;
    std::memcpy(x + i, &y, static_cast<size_t>(n - i) * sizeof(float));
    total += y;
  }
  return sum(total);
}

}  // namespace corral::cpu
