// Row-major float32 products.
#pragma once

#include <cstdint>

#include "plugins/device/cpu/number.h"

namespace corral::cpu {

// c [m n] = a b, or added to c. `ta`: a is stored [k m]; `tb`: b is stored [n k].
void sgemm(bool ta, bool tb, int64_t m, int64_t n, int64_t k, const float* a, const float* b, float* c, bool add);

// As float32: the tensor itself, or a copy in `buffer`.
inline const float* as_float(const void* p, DType t, int64_t n, float* buffer, int threads) {
  if (t != DType::BF16) return static_cast<const float*>(p);
  constexpr int64_t kBlock = 4096;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; i += kBlock) load(buffer + i, p, t, i, n - i < kBlock ? n - i : kBlock);
  return buffer;
}

inline void from_float(void* p, DType t, int64_t n, const float* x, bool add, int threads) {
  constexpr int64_t kBlock = 4096;
#pragma omp parallel for schedule(static) num_threads(threads)
  for (int64_t i = 0; i < n; i += kBlock) store(p, t, i, x + i, n - i < kBlock ? n - i : kBlock, add);
}

inline int64_t buffer_floats(DType t, int64_t n) { return t == DType::BF16 ? (n + 15) / 16 * 16 : 0; }

}  // namespace corral::cpu
