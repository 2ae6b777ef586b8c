// Shared by attention and its gradient: sizes, masks, packed operands of tiles. A panel has kTileColumns queries of one head. Scores are
// stored transposed, [keys, queries], so that the softmax runs along vectors.
#pragma once

#include <algorithm>
#include <limits>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"
#include "plugins/device/cpu/pack.h"
#include "plugins/device/cpu/tile.h"

namespace corral::cpu {

constexpr int64_t kQueries = kTileColumns;
constexpr int64_t kKeys = 256;  // keys of a block

inline int64_t rounded_up(int64_t n, int64_t each) { return (n + each - 1) / each * each; }

// B sequences with T queries and S keys each; D features per head.
struct AttentionSizes {
  int64_t B, T, S, heads, groups, D;
  float scale;

  explicit AttentionSizes(const Prepared& p)
      : B(p.sizes[0]),
        T(p.sizes[1]),
        S(p.sizes[2]),
        heads(p.sizes[3]),
        groups(p.sizes[4]),
        D(p.sizes[5]),
        scale(static_cast<float>(p.numbers[0])) {}
  int64_t H() const { return heads * D; }
  int64_t G() const { return groups * D; }
  int64_t heads_of_group() const { return heads / groups; }
};

inline void prepare_attention(const NodeView& n, Prepared& p) {
  p.sizes[0] = n.in(0)[0];
  p.sizes[1] = n.in(0)[1];
  p.sizes[2] = n.in(1)[1];
  p.sizes[5] = n.integer("head_dim", 1);
  p.sizes[3] = n.in(0)[2] / p.sizes[5];
  p.sizes[4] = n.in(1)[2] / p.sizes[5];
  p.numbers[0] = n.number("scale", 1);
}

// The existing keys among first_key ... last_key of a query; none if last_key is less than first_key.
struct KeyBounds {
  const int32_t *first, *last;
  int64_t S;
  KeyBounds(const AttentionSizes& z, void* const* in)
      : first(static_cast<const int32_t*>(in[3])), last(static_cast<const int32_t*>(in[4])), S(z.S) {}
  std::pair<int64_t, int64_t> of(int64_t query) const {
    return {std::max<int64_t>(first[query], 0), std::min<int64_t>(last[query], S - 1)};
  }
};

// The range of keys first ... last that each query of a panel sees (empty if last < first), in the form that vectors compare.
struct Seen {
  alignas(64) int32_t first[kQueries], last[kQueries];
  int64_t begin = 0, end = 0;                // union over the queries
  int64_t common_begin = 0, common_end = 0;  // intersection over the queries

  // see(i) returns first and last key of query i < count.
  template <class F>
  void set(int64_t count, F see) {
    begin = std::numeric_limits<int32_t>::max(), end = 0;
    common_begin = 0, common_end = std::numeric_limits<int32_t>::max();
    for (int64_t i = 0; i < kQueries; ++i) {
      const std::pair<int64_t, int64_t> keys = i < count ? see(i) : std::pair<int64_t, int64_t>(0, -1);
      first[i] = static_cast<int32_t>(keys.first), last[i] = static_cast<int32_t>(keys.second);
      if (i >= count) continue;
      common_begin = std::max(common_begin, keys.first), common_end = std::min(common_end, keys.second + 1);
      if (keys.second < keys.first) continue;
      begin = std::min(begin, keys.first), end = std::max(end, keys.second + 1);
    }
  }

  // Sets the scores of unseen keys to minus infinity.
  void mask(float* scores, int64_t key, int64_t keys) const {
    const IntVec f0 = read<IntVec>(first), f1 = read<IntVec>(first + kLanes), l0 = read<IntVec>(last), l1 = read<IntVec>(last + kLanes);
    for (int64_t s = key; s < key + keys; ++s, scores += kQueries) {
      if (s >= common_begin && s < common_end) continue;
      const IntVec here = static_cast<int32_t>(s) - IntVec{};
      store(scores, (here >= f0) & (here <= l0) ? load(scores) : broadcast(-__builtin_inff()));
      store(scores + kLanes, (here >= f1) & (here <= l1) ? load(scores + kLanes) : broadcast(-__builtin_inff()));
    }
  }
};

// Loads `count` rows of D features, which begin at element `from` and are `stride` apart, and multiplies them by `scale`. Writes `rows`,
// with steps of row_step, and the transposed copy; either may be null.
inline void load_rows(const void* data, DType t, int64_t from, int64_t stride, int64_t count, int64_t D, float scale, float* rows,
                      int64_t row_step, float* transposed, int64_t transposed_step) {
  alignas(64) float block[8 * 512];
  for (int64_t i = 0; i < count; i += 8) {
    const int64_t n = std::min<int64_t>(8, count - i);
    for (int64_t d = 0; d < D; d += 512) {
      const int64_t width = std::min<int64_t>(512, D - d);
      float* to = rows ? rows + i * row_step + d : block;
      const int64_t step = rows ? row_step : 512;
      for (int64_t r = 0; r < n; ++r) {
        load(to + r * step, data, t, from + (i + r) * stride + d, width);
        if (scale != 1)
          for (int64_t x = 0; x < width; ++x) to[r * step + x] *= scale;
      }
      if (transposed) transpose(transposed + d * transposed_step + i, transposed_step, to, step, n, width);
    }
  }
}

// Multiplies a block of transposed keys by a panel of queries.
inline void multiply_panel(const float* a, int64_t a_step, int64_t rows, const float* b, int64_t inner, float* c, bool add) {
  const TileFunction whole = tile_of<1, false>(kTileRows);
  int64_t i = 0;
  for (; i + kTileRows <= rows; i += kTileRows) whole({a + i, a_step, b, kQueries, inner}, c + i * kQueries, kQueries, add);
  if (i < rows) tile_of<1, false>(rows - i)({a + i, a_step, b, kQueries, inner}, c + i * kQueries, kQueries, add);
}

}  // namespace corral::cpu
