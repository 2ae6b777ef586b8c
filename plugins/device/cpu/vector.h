// Vectors of float32, as wide as the instruction set of this compilation; bfloat16 is only a storage format.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace corral::cpu {

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#else
constexpr int64_t kLanes = 8;
#endif
typedef float Vec __attribute__((vector_size(kLanes * 4)));
typedef int32_t IntVec __attribute__((vector_size(kLanes * 4)));
typedef uint32_t WordVec __attribute__((vector_size(kLanes * 4)));
typedef uint16_t HalfVec __attribute__((vector_size(kLanes * 2)));

template <class V>
inline V read(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

inline Vec broadcast(float x) { return x - Vec{}; }
inline Vec load(const float* p) { return read<Vec>(p); }
inline Vec load(const uint16_t* p) { return (Vec)(__builtin_convertvector(read<HalfVec>(p), WordVec) << 16); }
inline void store(float* p, Vec x) { std::memcpy(p, &x, sizeof x); }

// Rounds to nearest even; NaN stays NaN.
inline void store(uint16_t* p, Vec x) {
#if defined(__AVX512BF16__)
  const __m256bh half = _mm512_cvtneps_pbh((__m512)x);
#else
  const WordVec bits = (WordVec)x, rounded = (bits + 0x7fffu + (bits >> 16 & 1)) >> 16, quiet = bits >> 16 | 0x40;
  const WordVec word = (bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded;
  const __m256i packed = _mm256_packus_epi32((__m256i)word, (__m256i)word);  // each half has its four words twice
  const __m128i half = _mm256_castsi256_si128(_mm256_permute4x64_epi64(packed, 0x08));
#endif
  std::memcpy(p, &half, sizeof half);
}

inline Vec max(Vec a, Vec b) { return a > b ? a : b; }

inline Vec root(Vec x) {
#if defined(__AVX512F__)
  return (Vec)_mm512_maskz_sqrt_ps(0xffff, (__m512)x);  // the unmasked one warns in gcc 12
#else
  return (Vec)_mm256_sqrt_ps((__m256)x);
#endif
}

// Combines all lanes by halves.
template <class F>
inline float reduce(Vec x, F f) {
#if defined(__AVX512F__)
  __m256 half =
      f((__m256)__builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7), (__m256)__builtin_shufflevector(x, x, 8, 9, 10, 11, 12, 13, 14, 15));
#else
  __m256 half = (__m256)x;
#endif
  half = f(half, _mm256_permute2f128_ps(half, half, 1));
  half = f(half, _mm256_permute_ps(half, 0x4e));
  return f(half, _mm256_permute_ps(half, 0xb1))[0];
}

inline float sum(Vec x) {
  return reduce(x, [](__m256 a, __m256 b) { return a + b; });
}

inline float largest(Vec x) {
  return reduce(x, [](__m256 a, __m256 b) { return _mm256_max_ps(a, b); });
}

// e^x within 1.5 units in the last place; 0 below the smallest normal number.  x = n ln 2 + r, the series of e^r to r^7.
inline Vec exp(Vec x) {
  constexpr float kMagic = 12582912.0f;  // 1.5 2^23: adding it leaves n in the low bits
  const Vec inside = x < -87.3f ? broadcast(-87.3f) : x > 88.7f ? broadcast(88.7f) : x;
  const Vec shifted = inside * 1.44269504f + kMagic, n = shifted - kMagic;
  const Vec r = (inside - n * 0.693359375f) - n * -2.12194440e-4f;
  Vec p = r * (1.0f / 5040) + (1.0f / 720);
  p = p * r + (1.0f / 120);
  p = p * r + (1.0f / 24);
  p = p * r + (1.0f / 6);
  p = p * r + 0.5f;
  p = p * r * r + r + 1.0f;
  const Vec y = (Vec)((IntVec)p + ((IntVec)shifted << 23));
  return x < -87.3f ? Vec{} : x <= 88.7f ? y : x + __builtin_inff();  // NaN stays NaN
}

}  // namespace corral::cpu
