// Attention by rows of queries against blocks of keys: no score matrix is ever whole.
#include <omp.h>

#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

struct Sizes {
  int64_t B, T, S, heads, groups, D;
  float scale;
  int64_t H() const { return heads * D; }
  int64_t G() const { return groups * D; }
};

Sizes sizes(const Prepared& p) {
  return {p.sizes[0], p.sizes[1], p.sizes[2], p.sizes[3], p.sizes[4], p.sizes[5], static_cast<float>(p.numbers[0])};
}

// Softmax of `scores`; returns the log of the sum of exponentials.
float softmax(float* scores, int64_t n) {
  float largest = -INFINITY;
  for (int64_t s = 0; s < n; ++s) largest = std::max(largest, scores[s]);
  float sum = 0;
  for (int64_t s = 0; s < n; ++s) sum += scores[s] = std::exp(scores[s] - largest);
  const float inverse = 1 / sum;
  for (int64_t s = 0; s < n; ++s) scores[s] *= inverse;
  return largest + std::log(sum);
}

void attention(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const Sizes z = sizes(p);
  const auto* first = static_cast<const int32_t*>(in[3]);
  auto* lse = static_cast<float*>(out[1]);
  const int64_t per_group = z.heads / z.groups;
#pragma omp parallel num_threads(p.context.threads)
  {
    float* k = static_cast<float*>(workspace) + omp_get_thread_num() * (2 * z.S * z.D + z.S + 2 * z.D);
    float *v = k + z.S * z.D, *scores = v + z.S * z.D, *q = scores + z.S, *y = q + z.D;
#pragma omp for schedule(dynamic)
    for (int64_t bg = 0; bg < z.B * z.groups; ++bg) {
      const int64_t b = bg / z.groups, g = bg % z.groups;
      for (int64_t s = 0; s < z.S; ++s) {
        load(k + s * z.D, in[1], p.in[1], (b * z.S + s) * z.G() + g * z.D, z.D);
        load(v + s * z.D, in[2], p.in[2], (b * z.S + s) * z.G() + g * z.D, z.D);
      }
      for (int64_t h = g * per_group; h < (g + 1) * per_group; ++h)
        for (int64_t t = 0; t < z.T; ++t) {
          const int64_t row = b * z.T + t, from = std::clamp<int64_t>(first[row], 0, t), n = t + 1 - from;
          load(q, in[0], p.in[0], row * z.H() + h * z.D, z.D);
          for (int64_t s = 0; s < n; ++s) scores[s] = z.scale * dot(q, k + (from + s) * z.D, z.D);
          lse[row * z.heads + h] = softmax(scores, n);
          std::fill(y, y + z.D, 0.0f);
          for (int64_t s = 0; s < n; ++s) add_scaled(y, scores[s], v + (from + s) * z.D, z.D);
          store(out[0], p.out[0], row * z.H() + h * z.D, y, z.D, false);
        }
    }
  }
}

void attention_backward(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const Sizes z = sizes(p);
  const auto* first = static_cast<const int32_t*>(in[3]);
  const auto* lse = static_cast<const float*>(in[5]);
  const int64_t per_group = z.heads / z.groups;
#pragma omp parallel num_threads(p.context.threads)
  {
    float* k = static_cast<float*>(workspace) + omp_get_thread_num() * (4 * z.S * z.D + 4 * z.D);
    float *v = k + z.S * z.D, *dk = v + z.S * z.D, *dv = dk + z.S * z.D, *q = dv + z.S * z.D, *y = q + z.D, *dy = y + z.D, *dq = dy + z.D;
#pragma omp for schedule(dynamic)
    for (int64_t bg = 0; bg < z.B * z.groups; ++bg) {
      const int64_t b = bg / z.groups, g = bg % z.groups;
      for (int64_t s = 0; s < z.S; ++s) {
        load(k + s * z.D, in[1], p.in[1], (b * z.S + s) * z.G() + g * z.D, z.D);
        load(v + s * z.D, in[2], p.in[2], (b * z.S + s) * z.G() + g * z.D, z.D);
      }
      std::fill(dk, dk + 2 * z.S * z.D, 0.0f);
      for (int64_t h = g * per_group; h < (g + 1) * per_group; ++h)
        for (int64_t t = 0; t < z.T; ++t) {
          const int64_t row = b * z.T + t, from = std::clamp<int64_t>(first[row], 0, t), at_q = row * z.H() + h * z.D;
          load(q, in[0], p.in[0], at_q, z.D);
          load(y, in[4], p.in[4], at_q, z.D);
          load(dy, in[6], p.in[6], at_q, z.D);
          const float inner = dot(dy, y, z.D), log_sum = lse[row * z.heads + h];
          std::fill(dq, dq + z.D, 0.0f);
          for (int64_t s = from; s <= t; ++s) {
            const float probability = std::exp(z.scale * dot(q, k + s * z.D, z.D) - log_sum);
            const float ds = probability * (dot(dy, v + s * z.D, z.D) - inner) * z.scale;
            add_scaled(dq, ds, k + s * z.D, z.D);
            add_scaled(dk + s * z.D, ds, q, z.D);
            add_scaled(dv + s * z.D, probability, dy, z.D);
          }
          store(out[0], p.out[0], at_q, dq, z.D, false);
        }
      for (int64_t s = 0; s < z.S; ++s) {
        store(out[1], p.out[1], (b * z.S + s) * z.G() + g * z.D, dk + s * z.D, z.D, false);
        store(out[2], p.out[2], (b * z.S + s) * z.G() + g * z.D, dv + s * z.D, z.D, false);
      }
    }
  }
}

void attention_cached(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const Sizes z = sizes(p);
  const auto* positions = static_cast<const int32_t*>(in[3]);
  const auto* first = static_cast<const int32_t*>(in[4]);
  for (int64_t row = 0; row < z.B * z.T; ++row) {
    if (positions[row] < 0 || positions[row] >= z.S) continue;
    float block[512];
    for (int c = 0; c < 2; ++c)
      for (int64_t d = 0; d < z.G(); d += 512) {
        const int64_t n = std::min<int64_t>(512, z.G() - d);
        load(block, in[1 + c], p.in[1 + c], row * z.G() + d, n);
        store(out[1 + c], p.out[1 + c], (row / z.T * z.S + positions[row]) * z.G() + d, block, n, false);
      }
  }
  const int64_t per_group = z.heads / z.groups;
#pragma omp parallel num_threads(p.context.threads)
  {
    float* scores = static_cast<float*>(workspace) + omp_get_thread_num() * (z.S + 3 * z.D);
    float *q = scores + z.S, *y = q + z.D, *x = y + z.D;
#pragma omp for schedule(dynamic)
    for (int64_t rh = 0; rh < z.B * z.T * z.heads; ++rh) {
      const int64_t row = rh / z.heads, h = rh % z.heads, position = std::min<int64_t>(positions[row], z.S - 1);
      std::fill(y, y + z.D, 0.0f);
      if (position >= 0) {
        const int64_t from = std::clamp<int64_t>(first[row], 0, position), n = position + 1 - from;
        const int64_t base = (row / z.T * z.S + from) * z.G() + h / per_group * z.D;
        load(q, in[0], p.in[0], row * z.H() + h * z.D, z.D);
        for (int64_t s = 0; s < n; ++s) {
          load(x, out[1], p.out[1], base + s * z.G(), z.D);
          scores[s] = z.scale * dot(q, x, z.D);
        }
        softmax(scores, n);
        for (int64_t s = 0; s < n; ++s) {
          load(x, out[2], p.out[2], base + s * z.G(), z.D);
          add_scaled(y, scores[s], x, z.D);
        }
      }
      store(out[0], p.out[0], row * z.H() + h * z.D, y, z.D, false);
    }
  }
}

void prepare(const NodeView& n, Prepared& p, int64_t S, Launch launch, int64_t floats_a_thread) {
  p.sizes[0] = n.in(0)[0];
  p.sizes[1] = n.in(0)[1];
  p.sizes[2] = S;
  p.sizes[5] = n.integer("head_dim", 0);
  p.sizes[3] = n.in(0)[2] / p.sizes[5];
  p.sizes[4] = n.in(1)[2] / p.sizes[5];
  p.numbers[0] = n.number("scale", 1);
  p.workspace = static_cast<uint64_t>(floats_a_thread * p.context.threads) * sizeof(float);
  p.launch = launch;
}

constexpr OpEntry kOps[] = {
    {"attention",
     [](const NodeView& n, Prepared& p) {
       const int64_t S = n.in(1)[1], D = n.integer("head_dim", 1);
       prepare(n, p, S, attention, 2 * S * D + S + 2 * D);
     }},
    {"attention_backward",
     [](const NodeView& n, Prepared& p) {
       const int64_t S = n.in(1)[1], D = n.integer("head_dim", 1);
       prepare(n, p, S, attention_backward, 4 * S * D + 4 * D);
     }},
    {"attention_cached",
     [](const NodeView& n, Prepared& p) {
       const int64_t S = n.in(5)[1], D = n.integer("head_dim", 1);
       prepare(n, p, S, attention_cached, S + 3 * D);
     }},
};

}  // namespace

std::span<const OpEntry> attention_ops() { return kOps; }

}  // namespace corral::cpu
