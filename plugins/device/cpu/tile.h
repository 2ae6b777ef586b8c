// The innermost product: a tile of the result stays in registers over the whole inner dimension.
#pragma once

#include "plugins/device/cpu/vector.h"

namespace corral::cpu {

// The size of a tile: as many accumulators as fit the registers beside two vectors of b and one number of a.
#if defined(__AVX512F__)
constexpr int64_t kTileRows = 14;
#else
constexpr int64_t kTileRows = 6;
#endif
constexpr int64_t kTileColumns = 2 * kLanes;

// The operands of a tile: per inner step kTileColumns numbers of b, and one number of a for each row of the tile.
struct TileOperands {
  const float* a;
  int64_t a_step;  // between inner steps; rows are kRowStep apart
  const float* b;
  int64_t b_step;
  int64_t inner;
};

// c [rows, kTileColumns] = a b, or c += a b if `add`.
template <int kRows, int64_t kRowStep>
inline void tile(const TileOperands& o, float* c, int64_t c_step, bool add) {
  for (int i = 0; i < kRows; ++i) {
    __builtin_prefetch(c + i * c_step, 1);
    __builtin_prefetch(c + i * c_step + kTileColumns - 1, 1);
  }
  Vec total[kRows][2] = {};
  const float *a = o.a, *b = o.b;
  for (int64_t k = 0; k < o.inner; ++k, a += o.a_step, b += o.b_step) {
    const Vec b0 = load(b), b1 = load(b + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const Vec x = broadcast(a[i * kRowStep]);
      total[i][0] += x * b0;
      total[i][1] += x * b1;
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i, c += c_step) {
    store(c, add ? load(c) + total[i][0] : total[i][0]);
    store(c + kLanes, add ? load(c + kLanes) + total[i][1] : total[i][1]);
  }
}

// The same for pairs of bfloat16: an inner step covers two elements; a and b contain pairs as the bits of a float.
template <int kRows, int64_t kRowStep>
inline void pair_tile([[maybe_unused]] const TileOperands& o, [[maybe_unused]] float* c, [[maybe_unused]] int64_t c_step,
                      [[maybe_unused]] bool add) {
#if defined(__AVX512BF16__)
  for (int i = 0; i < kRows; ++i) {
    __builtin_prefetch(c + i * c_step, 1);
    __builtin_prefetch(c + i * c_step + kTileColumns - 1, 1);
  }
  __m512 total[kRows][2] = {};
  const float *a = o.a, *b = o.b;
  for (int64_t k = 0; k < o.inner; ++k, a += o.a_step, b += o.b_step) {
    const auto b0 = (__m512bh)load(b), b1 = (__m512bh)load(b + kLanes);
#pragma GCC unroll 14
    for (int i = 0; i < kRows; ++i) {
      const auto x = (__m512bh)_mm512_set1_ps(a[i * kRowStep]);
      total[i][0] = _mm512_dpbf16_ps(total[i][0], x, b0);
      total[i][1] = _mm512_dpbf16_ps(total[i][1], x, b1);
    }
  }
#pragma GCC unroll 14
  for (int i = 0; i < kRows; ++i, c += c_step) {
    store(c, add ? load(c) + (Vec)total[i][0] : (Vec)total[i][0]);
    store(c + kLanes, add ? load(c + kLanes) + (Vec)total[i][1] : (Vec)total[i][1]);
  }
#endif
}

// Chooses the tile function for 1 to kTileRows rows.
using TileFunction = void (*)(const TileOperands& o, float* c, int64_t c_step, bool add);

template <int64_t kRowStep, bool kPairs>
inline TileFunction tile_of(int64_t rows) {
  switch (rows) {
#define CORRAL_TILE(n) \
  case n:              \
    return kPairs ? pair_tile<n, kRowStep> : tile<n, kRowStep>;
    CORRAL_TILE(1)
    CORRAL_TILE(2)
    CORRAL_TILE(3)
    CORRAL_TILE(4)
    CORRAL_TILE(5)
#if defined(__AVX512F__)
    CORRAL_TILE(6)
    CORRAL_TILE(7)
    CORRAL_TILE(8)
    CORRAL_TILE(9)
    CORRAL_TILE(10)
    CORRAL_TILE(11)
    CORRAL_TILE(12)
    CORRAL_TILE(13)
#endif
    default:
      return kPairs ? pair_tile<kTileRows, kRowStep> : tile<kTileRows, kRowStep>;
#undef CORRAL_TILE
  }
}

}  // namespace corral::cpu
