// The gradient of attention; probabilities are recomputed block by block. arXiv:2205.14135
#include <omp.h>

#include "plugins/device/cpu/flash.h"

namespace corral::cpu {
namespace {

// Scratch memory of a thread: keys and values of one group in the layouts of tiles, their gradients, and one panel of queries.
struct Buffers {
  int64_t Dp, Sp;                 // D and S rounded up to whole tiles
  float *k, *dk, *dv;             // [S, Dp]
  float *kt, *vt;                 // [D, Sp]
  float *q, *dy;                  // [kQueries, Dp]; q is scaled
  float *qt, *dyt, *dqt;          // [D, kQueries]
  float *probabilities, *scores;  // [kKeys, kQueries]
  float *inner, *lse, *row;       // [kQueries], [kQueries], [kQueries, D]

  static int64_t floats(const AttentionSizes& z) {
    const int64_t Dp = rounded_up(z.D, kTileColumns), Sp = rounded_up(z.S, 16);
    return 3 * Sp * Dp + 2 * z.D * Sp + 2 * kQueries * Dp + 4 * z.D * kQueries + 2 * kKeys * kQueries + 2 * kQueries;
  }
  Buffers(const AttentionSizes& z, float* at) : Dp(rounded_up(z.D, kTileColumns)), Sp(rounded_up(z.S, 16)) {
    const auto take = [&](float*& p, int64_t n) { p = at, at += n; };
    for (float** p : {&k, &dk, &dv}) take(*p, Sp * Dp);
    for (float** p : {&kt, &vt}) take(*p, z.D * Sp);
    for (float** p : {&q, &dy}) take(*p, kQueries * Dp);
    for (float** p : {&qt, &dyt, &dqt, &row}) take(*p, z.D * kQueries);
    for (float** p : {&probabilities, &scores}) take(*p, kKeys * kQueries);
    for (float** p : {&inner, &lse}) take(*p, kQueries);
  }
};

// c [keys, Dp] += a b, with a [keys, kQueries] in the layout of scores and b [kQueries, Dp].
void add_product(const float* a, int64_t keys, const float* b, int64_t Dp, float* c) {
  for (int64_t i = 0; i < keys; i += kTileRows) {
    const TileFunction multiply = tile_of<kQueries, false>(std::min(kTileRows, keys - i));
    for (int64_t d = 0; d < Dp; d += kTileColumns) multiply({a + i * kQueries, 1, b + d, Dp, kQueries}, c + i * Dp + d, Dp, true);
  }
}

// Replaces scores by the gradient of the scaled scores, probability * (d probability - inner), and fills in the probabilities.
void differentiate(const Buffers& u, int64_t keys) {
  for (int64_t half = 0; half < kQueries; half += kLanes) {
    const Vec lse = load(u.lse + half), inner = load(u.inner + half);
    for (int64_t at = half; at < keys * kQueries; at += kQueries) {
      const Vec probability = exp(load(u.probabilities + at) - lse);
      store(u.probabilities + at, probability);
      store(u.scores + at, probability * (load(u.scores + at) - inner));
    }
  }
}

void one_panel(const Prepared& p, const AttentionSizes& z, const Buffers& u, void* const* in, void* dq, int64_t b, int64_t h, int64_t t) {
  const int64_t count = std::min(kQueries, z.T - t), at = (b * z.T + t) * z.H() + h * z.D;
  const KeyBounds bounds(z, in);
  const auto* lse = static_cast<const float*>(in[6]) + (b * z.T + t) * z.heads + h;
  Seen seen;
  seen.set(count, [&](int64_t i) { return bounds.of(b * z.T + t + i); });
  if (count < kQueries) std::fill(u.q, u.dqt, 0.0f);
  load_rows(in[0], p.in[0], at, z.H(), count, z.D, z.scale, u.q, u.Dp, u.qt, kQueries);
  load_rows(in[7], p.in[7], at, z.H(), count, z.D, 1, u.dy, u.Dp, u.dyt, kQueries);
  load_rows(in[5], p.in[5], at, z.H(), count, z.D, 1, u.row, z.D, nullptr, 0);
  for (int64_t i = 0; i < kQueries; ++i) {
    u.inner[i] = i < count ? dot(u.dy + i * u.Dp, u.row + i * z.D, z.D) : 0;
    // Probability 0 without a query, or if it sees no key.
    u.lse[i] = i < count && seen.last[i] >= seen.first[i] ? lse[i * z.heads] : __builtin_inff();
  }
  std::fill(u.dqt, u.dqt + z.D * kQueries, 0.0f);
  for (int64_t key = seen.begin; key < seen.end; key += kKeys) {
    const int64_t n = std::min(kKeys, seen.end - key);
    multiply_panel(u.kt + key, u.Sp, n, u.qt, z.D, u.probabilities, false);
    seen.mask(u.probabilities, key, n);
    multiply_panel(u.vt + key, u.Sp, n, u.dyt, z.D, u.scores, false);
    differentiate(u, n);
    add_product(u.probabilities, n, u.dy, u.Dp, u.dv + key * u.Dp);
    add_product(u.scores, n, u.q, u.Dp, u.dk + key * u.Dp);
    multiply_panel(u.k + key * u.Dp, u.Dp, z.D, u.scores, n, u.dqt, true);
  }
  transpose(u.row, z.D, u.dqt, kQueries, z.D, kQueries);
  for (int64_t i = 0; i < count * z.D; ++i) u.row[i] *= z.scale;
  for (int64_t i = 0; i < count; ++i) store(dq, p.out[0], at + i * z.H(), u.row + i * z.D, z.D, false);
}

void attention_backward(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const AttentionSizes z(p);
  const int64_t heads = z.heads_of_group();
#pragma omp parallel num_threads(p.context.threads)
  {
    const Buffers u(z, static_cast<float*>(workspace) + omp_get_thread_num() * Buffers::floats(z));
    std::fill(u.k, u.qt, 0.0f);
#pragma omp for schedule(dynamic)
    for (int64_t bg = 0; bg < z.B * z.groups; ++bg) {
      const int64_t b = bg / z.groups, g = bg % z.groups, at = b * z.S * z.G() + g * z.D;
      load_rows(in[1], p.in[1], at, z.G(), z.S, z.D, 1, u.k, u.Dp, u.kt, u.Sp);
      load_rows(in[2], p.in[2], at, z.G(), z.S, z.D, 1, nullptr, 0, u.vt, u.Sp);
      std::fill(u.dk, u.dk + 2 * u.Sp * u.Dp, 0.0f);
      for (int64_t h = g * heads; h < (g + 1) * heads; ++h)
        for (int64_t t = 0; t < z.T; t += kQueries) one_panel(p, z, u, in, out[0], b, h, t);
      for (int64_t s = 0; s < z.S; ++s) {
        store(out[1], p.out[1], at + s * z.G(), u.dk + s * u.Dp, z.D, false);
        store(out[2], p.out[2], at + s * z.G(), u.dv + s * u.Dp, z.D, false);
      }
    }
  }
}

constexpr OpEntry kOps[] = {{"attention_backward", [](const NodeView& n, Prepared& p) {
                               prepare_attention(n, p);
                               p.workspace = static_cast<uint64_t>(Buffers::floats(AttentionSizes(p)) * p.context.threads) * sizeof(float);
                               p.launch = attention_backward;
                             }}};

}  // namespace

std::span<const OpEntry> attention_backward_ops() { return kOps; }

}  // namespace corral::cpu
