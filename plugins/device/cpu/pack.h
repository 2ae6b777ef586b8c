// Packs operands of products into the order in which tiles read them: panels of P rows of a (or columns of b), with P consecutive words per
// inner step. A word is one float32 or, for tiles of pairs, two bfloat16. Packing also converts, so no operand is ever whole in another
// type.
#pragma once

#include <algorithm>

#include "graph.wire.h"
#include "plugins/device/cpu/number.h"
#include "plugins/device/cpu/vector.h"

namespace corral::cpu {

enum class Words { kFloat, kFloatFromBf16, kPairs, kPairsFromFloat };

template <Words w>
using Stored = std::conditional_t<w == Words::kFloat || w == Words::kPairsFromFloat, float, uint16_t>;

// Inner steps per word.
template <Words w>
constexpr int64_t kPerWord = w == Words::kPairs || w == Words::kPairsFromFloat ? 2 : 1;

inline float pair(uint16_t first, uint16_t second) { return std::bit_cast<float>(first | static_cast<uint32_t>(second) << 16); }

template <Words w>
inline float word(const Stored<w>* p, [[maybe_unused]] bool whole) {
  if constexpr (w == Words::kFloat) return *p;
  if constexpr (w == Words::kFloatFromBf16) return from_bf16(*p);
  if constexpr (w == Words::kPairs) return pair(p[0], whole ? p[1] : 0);
  if constexpr (w == Words::kPairsFromFloat) return pair(to_bf16(p[0]), whole ? to_bf16(p[1]) : 0);
}

template <Words w>
inline __m256 eight_words(const Stored<w>* p) {
  if constexpr (w == Words::kFloatFromBf16) return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(read<__m128i>(p)), 16));
  if constexpr (w == Words::kPairsFromFloat) {
    uint16_t halves[16];
    for (int64_t i = 0; i < 16; i += kLanes) store(halves + i, load(p + i));
    return read<__m256>(halves);
  }
  return read<__m256>(p);
}

inline void transpose(__m256 (&r)[8]) {
  __m256 s[8];
  for (int i = 0; i < 8; i += 4) {
    const __m256 a = _mm256_unpacklo_ps(r[i], r[i + 1]), b = _mm256_unpackhi_ps(r[i], r[i + 1]);
    const __m256 c = _mm256_unpacklo_ps(r[i + 2], r[i + 3]), d = _mm256_unpackhi_ps(r[i + 2], r[i + 3]);
    s[i] = _mm256_shuffle_ps(a, c, 0x44);
    s[i + 1] = _mm256_shuffle_ps(a, c, 0xee);
    s[i + 2] = _mm256_shuffle_ps(b, d, 0x44);
    s[i + 3] = _mm256_shuffle_ps(b, d, 0xee);
  }
  for (int i = 0; i < 4; ++i) {
    r[i] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x20);
    r[i + 4] = _mm256_permute2f128_ps(s[i], s[i + 4], 0x31);
  }
}

// Stores the first n numbers.
template <int n>
inline void store_first(float* to, __m256 x) {
  if constexpr (n == 8) {
    _mm256_storeu_ps(to, x);
  } else {
    static_assert(n == 6);
    _mm_storeu_ps(to, _mm256_castps256_ps128(x));
    _mm_storel_pi(reinterpret_cast<__m64*>(to + 4), _mm256_extractf128_ps(x, 1));
  }
}

template <Words w, int n>
inline void pack_group(float* to, int64_t P, const Stored<w>* from, int64_t stride, int64_t rows) {
  __m256 r[8];
  for (int i = 0; i < 8; ++i) r[i] = i < rows ? eight_words<w>(from + i * stride) : _mm256_setzero_ps();
  transpose(r);
  for (int i = 0; i < 8; ++i) store_first<n>(to + i * P, r[i]);
}

// Packs one panel of an operand with contiguous inner dimension: row i begins at from + i * stride. Rows from `rows` on become 0.
template <Words w, int64_t P>
inline void pack_rows(float* to, const Stored<w>* from, int64_t stride, int64_t rows, int64_t inner) {
  constexpr int64_t kTail = P % 8;
  const int64_t words = (inner + kPerWord<w> - 1) / kPerWord<w>, whole = inner / kPerWord<w>;
  int64_t k = 0;
  for (; k + 8 <= whole; k += 8) {
    const Stored<w>* at = from + k * kPerWord<w>;
    for (int64_t i = 0; i + 8 <= P; i += 8) pack_group<w, 8>(to + k * P + i, P, at + i * stride, stride, rows - i);
    if constexpr (kTail != 0)
      pack_group<w, kTail>(to + k * P + P - kTail, P, at + (P - kTail) * stride, stride, std::min(kTail, rows - (P - kTail)));
  }
  for (; k < words; ++k)
    for (int64_t i = 0; i < P; ++i) to[k * P + i] = i < rows ? word<w>(from + i * stride + k * kPerWord<w>, k < whole) : 0;
}

// Packs one inner step of a panel: P words of `columns` numbers, contiguous in `first` and, for pairs, in `second`, which may be null. The
// rest becomes 0.
template <Words w, int64_t P>
inline void pack_step(float* to, const Stored<w>* first, [[maybe_unused]] const Stored<w>* second, int64_t columns) {
#if defined(__AVX512BF16__)
  const auto some = [](int64_t n) { return static_cast<__mmask16>(n >= kLanes ? 0xffff : n <= 0 ? 0 : (1 << n) - 1); };
  const auto wide = [](__m256i halves) { return _mm512_maskz_cvtepu16_epi32(0xffff, halves); };  // the unmasked one warns in gcc 12
  const auto read_halves = [&](const Stored<w>* p, __mmask16 there) {
    if constexpr (sizeof(Stored<w>) == 2)
      return wide(_mm256_maskz_loadu_epi16(there, p));
    else
      return wide((__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(there, p)));
  };
#pragma GCC unroll 2
  for (int64_t i = 0; i < P; i += kLanes) {
    const __mmask16 there = some(columns - i);
    __m512 words;
    if constexpr (w == Words::kFloat)
      words = _mm512_maskz_loadu_ps(there, first + i);
    else if constexpr (w == Words::kFloatFromBf16)
      words = (__m512)((WordVec)read_halves(first + i, there) << 16);
    else
      words = (__m512)((WordVec)read_halves(first + i, there) | (second ? (WordVec)read_halves(second + i, there) << 16 : WordVec{}));
    _mm512_mask_storeu_ps(to + i, some(P - i), words);
  }
#else
  static_assert(kPerWord<w> == 1, "pairs need AVX-512 with bfloat16");
  if constexpr (w == Words::kFloat)
    if (columns >= P) return static_cast<void>(std::memcpy(to, first, P * sizeof(float)));
  if (columns >= P)
    for (int64_t i = 0; i < P; ++i) to[i] = word<w>(first + i, true);
  else
    for (int64_t i = 0; i < P; ++i) to[i] = i < columns ? word<w>(first + i, true) : 0;
#endif
}

// Packs panels of `each` words of an operand whose rows (for b, columns) are contiguous: inner step k begins at from + k * stride. Four
// panels are written at once, so that memory is read in longer runs. With many panels, their lines, whole pages apart, would evict each
// other from the cache.
template <Words w, int64_t P>
inline void pack_columns(float* to, int64_t each, const Stored<w>* from, int64_t stride, int64_t columns, int64_t inner) {
  constexpr int64_t kAtOnce = 4 * P;
  for (; columns > 0; columns -= kAtOnce, from += kAtOnce, to += 4 * each)
    for (int64_t k = 0; k < inner; k += kPerWord<w>) {
      const Stored<w>* first = from + k * stride;
      const Stored<w>* second = kPerWord<w> == 2 && k + 1 < inner ? first + stride : nullptr;
      float* at = to + k / kPerWord<w> * P;
      for (int64_t i = 0; i < std::min(columns, kAtOnce); i += P, at += each)
        pack_step<w, P>(at, first + i, second ? second + i : nullptr, columns - i);
    }
}

// to[c * to_step + r] = from[r * from_step + c]
inline void transpose(float* to, int64_t to_step, const float* from, int64_t from_step, int64_t rows, int64_t columns) {
  const int64_t whole = columns / 8 * 8;
  for (int64_t r = 0; r < rows; r += 8) {
    const int64_t n = std::min<int64_t>(8, rows - r), done = n == 8 ? whole : 0;
    for (int64_t c = 0; c < done; c += 8)
      pack_group<Words::kFloat, 8>(to + c * to_step + r, to_step, from + r * from_step + c, from_step, 8);
    for (int64_t i = r; i < r + n; ++i)
      for (int64_t c = done; c < columns; ++c) to[c * to_step + i] = from[i * from_step + c];
  }
}

}  // namespace corral::cpu
