#include "plugins/device/cpu/gemv.h"

#include <algorithm>

#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

constexpr int64_t kWeights = 4;  // rows of w that are read side by side
constexpr int64_t kRows = 4;     // rows of x against them, in registers

inline float number(const float* p) { return *p; }
inline float number(const uint16_t* p) { return from_bf16(*p); }

// Sums of kRows x kWeights; y_step from one row of x to the next.
template <int64_t kRowsHere, class W>
void dots(const float* x, const W* w, int64_t k, float* y, int64_t y_step) {
  Vec total[kRowsHere][kWeights] = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    Vec weights[kWeights];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kWeights; ++j) {
      weights[j] = load(w + j * k + i);
      // A row is about a page, where the processor's own prefetching ends: the rows that come next are asked for here.
      __builtin_prefetch(w + (kWeights + j) * k + i, 0, 2);
    }
#pragma GCC unroll 4
    for (int64_t r = 0; r < kRowsHere; ++r) {
      const Vec numbers = load(x + r * k + i);
#pragma GCC unroll 4
      for (int64_t j = 0; j < kWeights; ++j) total[r][j] += numbers * weights[j];
    }
  }
  for (int64_t r = 0; r < kRowsHere; ++r)
    for (int64_t j = 0; j < kWeights; ++j) {
      float rest = sum(total[r][j]);
      for (int64_t t = i; t < k; ++t) rest += x[r * k + t] * number(w + j * k + t);
      y[r * y_step + j] = rest;
    }
}

template <class W>
float dot_of(const float* x, const W* w, int64_t k) {
  Vec total = {};
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) total += load(x + i) * load(w + i);
  float rest = sum(total);
  for (; i < k; ++i) rest += x[i] * number(w + i);
  return rest;
}

template <class W>
void multiply(const Gemv& g, const float* x, const W* w, void* y) {
  constexpr int64_t kBlock = 64;  // results that are stored together
#pragma omp parallel for schedule(static) num_threads(g.n* g.k < 1 << 15 ? 1 : g.threads)
  for (int64_t from = 0; from < g.n; from += kBlock) {
    const int64_t count = std::min(kBlock, g.n - from);
    float block[Gemv::kMostRows][kBlock];
    int64_t j = 0;
    for (; j + kWeights <= count; j += kWeights) {
      const W* weights = w + (from + j) * g.k;
      int64_t r = 0;
      for (; r + kRows <= g.rows; r += kRows) dots<kRows>(x + r * g.k, weights, g.k, block[r] + j, kBlock);
      for (; r < g.rows; ++r) dots<1>(x + r * g.k, weights, g.k, block[r] + j, kBlock);
    }
    for (; j < count; ++j)
      for (int64_t r = 0; r < g.rows; ++r) block[r][j] = dot_of(x + r * g.k, w + (from + j) * g.k, g.k);
    for (int64_t r = 0; r < g.rows; ++r) store(y, g.y, r * g.n + from, block[r], count, g.add);
  }
}

}  // namespace

void Gemv::run(const void* x_data, const void* w_data, void* y_data, void* workspace) const {
  const float* numbers = static_cast<const float*>(x_data);
  if (x == DType::BF16) {
    load(static_cast<float*>(workspace), x_data, x, 0, rows * k);
    numbers = static_cast<const float*>(workspace);
  }
  if (w == DType::BF16)
    multiply(*this, numbers, static_cast<const uint16_t*>(w_data), y_data);
  else
    multiply(*this, numbers, static_cast<const float*>(w_data), y_data);
}

}  // namespace corral::cpu
