#include "plugins/device/cpu/gemv.h"

#include <algorithm>

#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

// Rows of x per row of w, in registers. Their number does not change the order of a sum: a text has the same bits in any batch.
constexpr int64_t kRows = kLanes == 16 ? 4 : 2;
constexpr int64_t kSums = 4;  // independent sums per row of x

// Prefetches `kAhead` bytes ahead: the processor's own prefetching ends at a page and is too short to serve two threads. Rows of w are
// contiguous, so the bytes after a row are the next row. Weights that need conversion take longer and are prefetched earlier.
template <int64_t kAhead, int64_t kBytes>
inline void prefetch(const void* w) {
  const char* const ahead = static_cast<const char*>(w) + kAhead;
#pragma GCC unroll 4
  for (int64_t line = 0; line < kBytes; line += 64) __builtin_prefetch(ahead + line, 0, 2);
}

inline float number(const float* p) { return *p; }
inline float number(const uint16_t* p) { return from_bf16(*p); }

// Multiplies a row of w by kRowsHere rows of x; results are y_step apart.
template <int64_t kRowsHere, class W>
void dots(const float* x, const W* w, int64_t k, float* y, int64_t y_step) {
  constexpr int64_t kStep = kSums * kLanes;
  Vec total[kRowsHere][kSums] = {};
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    prefetch<sizeof(W) == 2 ? 8192 : 4096, kStep* static_cast<int64_t>(sizeof(W))>(w + i);
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

#if defined(__AVX512BF16__)
// The same for bfloat16 rows, with the processor's multiplication of pairs.
template <int64_t kRowsHere>
void dots(const uint16_t* x, const uint16_t* w, int64_t k, float* y, int64_t y_step) {
  constexpr int64_t kPairs = 2 * kLanes, kSums = 2, kStep = kSums * kPairs;
  __m512 total[kRowsHere][kSums] = {};
  int64_t i = 0;
  for (; i + kStep <= k; i += kStep) {
    prefetch<4096, kStep * 2>(w + i);
    __m512bh weights[kSums];
#pragma GCC unroll 4
    for (int64_t j = 0; j < kSums; ++j) weights[j] = read<__m512bh>(w + i + j * kPairs);
#pragma GCC unroll 4
    for (int64_t r = 0; r < kRowsHere; ++r)
#pragma GCC unroll 4
      for (int64_t j = 0; j < kSums; ++j)
        total[r][j] = _mm512_dpbf16_ps(total[r][j], read<__m512bh>(x + r * k + i + j * kPairs), weights[j]);
  }
  for (int64_t r = 0; r < kRowsHere; ++r) {
    for (int64_t t = i; t < k; t += kPairs) {
      const auto mask = static_cast<__mmask32>(k - t < kPairs ? (uint32_t{1} << (k - t)) - 1 : ~uint32_t{0});
      const auto some_x = (__m512bh)_mm512_maskz_loadu_epi16(mask, x + r * k + t), some_w = (__m512bh)_mm512_maskz_loadu_epi16(mask, w + t);
      total[r][0] = _mm512_dpbf16_ps(total[r][0], some_x, some_w);
    }
    y[r * y_step] = sum((Vec)(total[r][0] + total[r][1]));
  }
}
#endif

template <class X, class W>
void multiply(const Gemv& g, const X* x, const W* w, void* y) {
  constexpr int64_t kBlock = 64;  // results per store
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

bool Gemv::takes_pairs() const {
#if defined(__AVX512BF16__)
  return x == DType::BF16 && w == DType::BF16;
#else
  return false;
#endif
}

void Gemv::run(const void* x_data, const void* w_data, void* y_data, void* workspace) const {
#if defined(__AVX512BF16__)
  if (takes_pairs()) return multiply(*this, static_cast<const uint16_t*>(x_data), static_cast<const uint16_t*>(w_data), y_data);
#endif
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
