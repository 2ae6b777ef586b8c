// Row-major matrix products of any size, for float32 and bfloat16.
#pragma once

#include <cstdint>

#include "graph.wire.h"

namespace corral::cpu {

// c [m n] = a b, or c += a b if `add`.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  bool ta = false, tb = false;  // a is stored [k m]; b is stored [n k]
  DType a = DType::F32, b = DType::F32, c = DType::F32;
  bool add = false;
  int threads = 1;
  bool rounds = false;  // a float32 operand may be rounded to bfloat16 if the other is bfloat16 and the processor multiplies it

  uint64_t workspace() const;  // bytes, aligned to 64; enough for every smaller product too
  void run(const void* a, const void* b, void* c, void* workspace) const;
};

}  // namespace corral::cpu
