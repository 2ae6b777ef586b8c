// Rows of float32 and bfloat16. All computation is in float32; bfloat16 is only a storage format.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "graph.wire.h"
#include "plugins/device/cpu/vector.h"

namespace corral::cpu {

inline float from_bf16(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }

// Rounds to nearest even; NaN stays NaN.
inline uint16_t to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

inline int64_t width_of(DType t) { return t == DType::BF16 ? 2 : 4; }

inline const void* at(const void* p, DType t, int64_t element) { return static_cast<const char*>(p) + element * width_of(t); }
inline void* at(void* p, DType t, int64_t element) { return static_cast<char*>(p) + element * width_of(t); }

// Loads `n` numbers, from element `from` on, as float32.
inline void load(float* to, const void* p, DType t, int64_t from, int64_t n) {
  if (t != DType::BF16) {
    std::memcpy(to, static_cast<const float*>(p) + from, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  const uint16_t* x = static_cast<const uint16_t*>(p) + from;
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(to + i, load(x + i));
  for (; i < n; ++i) to[i] = from_bf16(x[i]);
}

inline void store(void* p, DType t, int64_t from, const float* x, int64_t n, bool add) {
  int64_t i = 0;
  if (t == DType::BF16) {
    uint16_t* to = static_cast<uint16_t*>(p) + from;
    for (; i + kLanes <= n; i += kLanes) store(to + i, add ? load(to + i) + load(x + i) : load(x + i));
    for (; i < n; ++i) to[i] = to_bf16(add ? from_bf16(to[i]) + x[i] : x[i]);
    return;
  }
  float* to = static_cast<float*>(p) + from;
  if (!add) {
    std::memcpy(to, x, static_cast<size_t>(n) * sizeof(float));
    return;
  }
  for (; i < n; ++i) to[i] += x[i];
}

inline float dot(const float* a, const float* b, int64_t n) {
  Vec total[4] = {};
  int64_t i = 0;
  for (; i + 4 * kLanes <= n; i += 4 * kLanes)
    for (int j = 0; j < 4; ++j) total[j] += load(a + i + j * kLanes) * load(b + i + j * kLanes);
  for (; i + kLanes <= n; i += kLanes) total[0] += load(a + i) * load(b + i);
  float rest = 0;
  for (; i < n; ++i) rest += a[i] * b[i];
  return sum((total[0] + total[1]) + (total[2] + total[3])) + rest;
}

inline void add_scaled(float* y, float scale, const float* x, int64_t n) {
#pragma omp simd
  for (int64_t i = 0; i < n; ++i) y[i] += scale * x[i];
}

}  // namespace corral::cpu
