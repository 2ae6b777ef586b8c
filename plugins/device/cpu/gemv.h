// Products with few rows, as in generation: the weights are read once, at the speed of memory.
#pragma once

#include <cstdint>

#include "graph.wire.h"

namespace corral::cpu {

// y [rows, n] = x [rows, k] wᵀ with w [n, k], or y += x wᵀ if `add`.
struct Gemv {
  static constexpr int64_t kMostRows = 8;
  int64_t rows = 0, n = 0, k = 0;
  DType x = DType::F32, w = DType::F32, y = DType::F32;
  bool add = false;
  int threads = 1;

  bool takes_pairs() const;  // multiplies bfloat16 pairs directly; otherwise x is converted to float32 first
  uint64_t workspace() const { return x != DType::BF16 || takes_pairs() ? 0 : static_cast<uint64_t>(rows * k) * sizeof(float); }
  void run(const void* x, const void* w, void* y, void* workspace) const;
};

}  // namespace corral::cpu
