#include "plugins/device/cpu/gemv.h"

#include <algorithm>

#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

// Rows of x against a row of w, in registers. How many does not change the order of a sum: a text has the same bits whatever is beside it.
constexpr int64_t kRows = kLanes == 16 ? 4 : 2;
constexpr int64_t kSums = 4;      // of each row of x, side by side
constexpr int64_t kAhead = 4096;  // bytes

inline float number(const float* p) { return *p; }
inline float number(const uint16_t* p) { return from_bf16(*p); }

// A row of w with kRowsHere rows of x; y_step from one result to the next.
template <int64_t kRowsHere, class W>
void dots(const float* x, const W* w, int64_t k, float* y, int64_t y_step) {
  constexpr int64_t kStep = kSums * kLanes;
  Vec total[kRowsHere][kSums] = {};
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    // The processor's own prefetching ends with a page, and looks less far ahead than two threads can be served. Rows follow each other.
    const char* const ahead = reinterpret_cast<const char*>(w + i) + kAhead;
#pragma GCC unroll 4
    for (int64_t line = 0; line < kStep * static_cast<int64_t>(sizeof(W)); line += 64) __builtin_prefetch(ahead + line, 0, 2);
    Vec weights[kSums];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kSums; ++j) weights[j] = load(w + i + j * kLanes);
#pragma GCC unroll 4
    for (int64_t r = 0; r < kRowsHere; ++r)
#pragma GCC unroll 4
      for (int64_t j = 0; j < kSums; ++j) total[r][j] += load(x + r * k + i + j * kLanes) * weights[j];
  }
  for (int64_t r = 0; r < kRowsHere; ++r) {
    Vec all = (total[r][0] + total[r][1]) + (total[r][2] + total[r][3]);
    int64_t t = i;
    for (; t + kLanes <= k; t += kLanes) all += load(x + r * k + t) * load(w + t);
    float rest = sum(all);
    for (; t < k; ++t) rest += x[r * k + t] * number(w + t);
    y[r * y_step] = rest;
  }
}

template <class W>
void multiply(const Gemv& g, const float* x, const W* w, void* y) {
  constexpr int64_t kBlock = 64;  // results that are stored together
#pragma omp parallel for schedule(static) num_threads(g.n* g.k < 1 << 15 ? 1 : g.threads)
  for (int64_t from = 0; from < g.n; from += kBlock) {
    const int64_t count = std::min(kBlock, g.n - from);
    float block[Gemv::kMostRows][kBlock];
    for (int64_t j = 0; j < count; ++j) {
      const W* weights = w + (from + j) * g.k;
      int64_t r = 0;
      for (; r + kRows <= g.rows; r += kRows) dots<kRows>(x + r * g.k, weights, g.k, block[r] + j, kBlock);
      for (; r < g.rows; ++r) dots<1>(x + r * g.k, weights, g.k, block[r] + j, kBlock);
    }
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
