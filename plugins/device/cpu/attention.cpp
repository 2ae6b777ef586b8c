// Attention by panels of queries against blocks of keys, the softmax carried along.  arXiv:2205.14135
#include <omp.h>

#include <cmath>

#include "plugins/device/cpu/attention_few.h"
#include "plugins/device/cpu/softmax.h"

namespace corral::cpu {
namespace {

// A unit of work is a span of queries of all heads that share keys: each block of keys is packed once for all its panels.
constexpr int64_t kPanels = 8;

int64_t panels_of_span(const AttentionSizes& z) { return std::max<int64_t>(1, kPanels / z.heads_of_group()); }

// One panel while the blocks of keys pass.
struct Panel {
  float* q;    // [D, kQueries], scaled
  float* y;    // [D, kQueries], not yet divided by the sum
  float* max;  // [kQueries]
  float* sum;
  static int64_t floats(int64_t D) { return (2 * D + 2) * kQueries; }
  Panel(float* at, int64_t D) : q(at), y(at + D * kQueries), max(y + D * kQueries), sum(max + kQueries) {}
};

struct Source {
  const void* data;
  DType type;
};

// floats of a thread: keys transposed, values, scores, panels
int64_t floats_a_thread(const AttentionSizes& z) {
  return 2 * kKeys * z.D + kKeys * kQueries + z.heads_of_group() * panels_of_span(z) * Panel::floats(z.D) + kQueries * z.D;
}

// Exponentials of the scores; the panel's maximum, sum and y are brought to the new maximum.
void softmax_block(float* scores, int64_t keys, const Panel& p, int64_t D) {
  for (int64_t half = 0; half < kQueries; half += kLanes) {
    const Vec before = load(p.max + half);
    Vec most = before;
    for (int64_t s = 0; s < keys; ++s) most = max(most, load(scores + s * kQueries + half));
    const Vec base = most == -__builtin_inff() ? Vec{} : most;
    Vec total = {};
    for (int64_t s = 0; s < keys; ++s) {
      const Vec e = exp(load(scores + s * kQueries + half) - base);
      store(scores + s * kQueries + half, e);
      total += e;
    }
    const Vec keep = exp(before - base);
    store(p.max + half, most);
    store(p.sum + half, load(p.sum + half) * keep + total);
    for (int64_t d = 0; d < D; ++d) store(p.y + d * kQueries + half, load(p.y + d * kQueries + half) * keep);
  }
}

// y of B x T queries; `see(row, t)` gives the keys of a query. lse may be null.
template <class F>
void attend(const Prepared& p, const void* queries, Source keys, Source values, void* y, float* lse, float* workspace, F see) {
  const AttentionSizes z(p);
  const int64_t span = panels_of_span(z) * kQueries, spans = (z.T + span - 1) / span, heads = z.heads_of_group();
#pragma omp parallel num_threads(p.context.threads)
  {
    float* kt = workspace + omp_get_thread_num() * floats_a_thread(z);
    float *v = kt + kKeys * z.D, *scores = v + kKeys * z.D, *rows = scores + kKeys * kQueries, *panels = rows + kQueries * z.D;
    Seen seen[kPanels];
#pragma omp for schedule(dynamic)
    for (int64_t unit = 0; unit < z.B * z.groups * spans; ++unit) {
      // The last spans see most keys: they go first, so that no thread begins the longest at the end.
      const int64_t from = (spans - 1 - unit / (z.B * z.groups)) * span, b = unit / z.groups % z.B, g = unit % z.groups;
      const int64_t count = (std::min(span, z.T - from) + kQueries - 1) / kQueries;
      int64_t begin = std::numeric_limits<int64_t>::max(), end = 0;
      for (int64_t i = 0; i < count; ++i) {
        const int64_t t = from + i * kQueries;
        seen[i].set(std::min(kQueries, z.T - t), [&](int64_t q) { return see(b, t + q); });
        begin = std::min(begin, seen[i].begin), end = std::max(end, seen[i].end);
        for (int64_t h = 0; h < heads; ++h) {
          const Panel panel(panels + (i * heads + h) * Panel::floats(z.D), z.D);
          std::fill(panel.q, panel.y + z.D * kQueries, 0.0f);
          std::fill(panel.max, panel.max + kQueries, -INFINITY);
          std::fill(panel.sum, panel.sum + kQueries, 0.0f);
          load_rows(queries, p.in[0], (b * z.T + t) * z.H() + (g * heads + h) * z.D, z.H(), std::min(kQueries, z.T - t), z.D, z.scale,
                    nullptr, 0, panel.q, kQueries);
        }
      }
      for (int64_t key = begin; key < end; key += kKeys) {
        const int64_t n = std::min(kKeys, end - key), at_key = (b * z.S + key) * z.G() + g * z.D;
        load_rows(keys.data, keys.type, at_key, z.G(), n, z.D, 1, nullptr, 0, kt, kKeys);
        load_rows(values.data, values.type, at_key, z.G(), n, z.D, 1, v, z.D, nullptr, 0);
        for (int64_t i = 0; i < count; ++i) {
          const int64_t skip = std::clamp<int64_t>(seen[i].begin - key, 0, n), mine = std::min(n, seen[i].end - key) - skip;
          if (mine <= 0) continue;
          for (int64_t h = 0; h < heads; ++h) {
            const Panel panel(panels + (i * heads + h) * Panel::floats(z.D), z.D);
            multiply_panel(kt + skip, kKeys, mine, panel.q, z.D, scores, false);
            seen[i].mask(scores, key + skip, mine);
            softmax_block(scores, mine, panel, z.D);
            multiply_panel(v + skip * z.D, z.D, z.D, scores, mine, panel.y, true);
          }
        }
      }
      for (int64_t i = 0; i < count; ++i)
        for (int64_t h = 0; h < heads; ++h) {
          const Panel panel(panels + (i * heads + h) * Panel::floats(z.D), z.D);
          transpose(rows, z.D, panel.y, kQueries, z.D, kQueries);
          const int64_t t = from + i * kQueries;
          for (int64_t q = 0; q < std::min(kQueries, z.T - t); ++q) {
            const int64_t row = b * z.T + t + q;
            const float total = panel.sum[q], inverse = total > 0 || total != total ? 1 / total : 0;
            for (int64_t d = 0; d < z.D; ++d) rows[q * z.D + d] *= inverse;
            store(y, p.out[0], row * z.H() + (g * heads + h) * z.D, rows + q * z.D, z.D, false);
            if (lse) lse[row * z.heads + g * heads + h] = panel.max[q] + std::log(total);
          }
        }
    }
  }
}

void attention(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const auto* first = static_cast<const int32_t*>(in[3]);
  const int64_t T = p.sizes[1];
  attend(p, in[0], {in[1], p.in[1]}, {in[2], p.in[2]}, out[0], static_cast<float*>(out[1]), static_cast<float*>(workspace),
         [&](int64_t b, int64_t t) { return std::pair(std::clamp<int64_t>(first[b * T + t], 0, t), t); });
}

// The new places into the cache.
void extend_cache(const Prepared& p, const AttentionSizes& z, void* const* in, void* const* out) {
  const auto* positions = static_cast<const int32_t*>(in[3]);
#pragma omp parallel for schedule(static) num_threads(z.B* z.T < 8 ? 1 : p.context.threads)
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
}

// Queries a row that are not worth a panel.
bool is_few(const Prepared& p, const AttentionSizes& z) { return z.T < 8 && p.out[1] == p.out[2]; }

void attention_cached(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const AttentionSizes z(p);
  extend_cache(p, z, in, out);
  if (is_few(p, z)) return attend_few(p, z, in, out, static_cast<float*>(workspace));
  const auto *positions = static_cast<const int32_t*>(in[3]), *first = static_cast<const int32_t*>(in[4]);
  attend(p, in[0], {out[1], p.out[1]}, {out[2], p.out[2]}, out[0], nullptr, static_cast<float*>(workspace), [&](int64_t b, int64_t t) {
    const int64_t last = std::min<int64_t>(positions[b * z.T + t], z.S - 1);
    return std::pair(std::clamp<int64_t>(first[b * z.T + t], 0, std::max<int64_t>(last, 0)), last);
  });
}

void prepare(const NodeView& n, Prepared& p, int64_t S, Launch launch) {
  prepare_attention(n, p, S);
  const AttentionSizes z(p);
  const int64_t threads = p.context.threads;
  const int64_t floats = launch == attention_cached && is_few(p, z) ? floats_of_few(z, threads) : floats_a_thread(z) * threads;
  p.workspace = static_cast<uint64_t>(floats) * sizeof(float);
  p.launch = launch;
}

constexpr OpEntry kOps[] = {
    {"attention", [](const NodeView& n, Prepared& p) { prepare(n, p, n.in(1)[1], attention); }},
    {"attention_cached", [](const NodeView& n, Prepared& p) { prepare(n, p, n.in(5)[1], attention_cached); }},
};

}  // namespace

std::span<const OpEntry> attention_ops() { return kOps; }

}  // namespace corral::cpu
