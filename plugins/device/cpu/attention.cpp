// Attention: panels of queries against blocks of keys, with an online softmax. arXiv:2205.14135
#include <omp.h>

#include <cmath>

#include "plugins/device/cpu/attention_few.h"
#include "plugins/device/cpu/softmax.h"

namespace corral::cpu {
namespace {

// A unit of work is a span of queries of all heads that share keys, so that each block of keys is packed once for all its panels.
constexpr int64_t kPanels = 8;

int64_t panels_of_span(const AttentionSizes& z) { return std::max<int64_t>(1, kPanels / z.heads_of_group()); }

// The state of one panel while it passes the blocks of keys.
struct Panel {
  float* q;    // [D, kQueries], scaled
  float* y;    // [D, kQueries], before the division by the sum
  float* max;  // [kQueries]
  float* sum;
  static int64_t floats(int64_t D) { return (2 * D + 2) * kQueries; }
  Panel(float* at, int64_t D) : q(at), y(at + D * kQueries), max(y + D * kQueries), sum(max + kQueries) {}
};

struct Source {
  const void* data;
  DType type;
};

// Floats of scratch memory per thread: transposed keys, values, scores, panels.
int64_t floats_a_thread(const AttentionSizes& z) {
  return 2 * kKeys * z.D + kKeys * kQueries + z.heads_of_group() * panels_of_span(z) * Panel::floats(z.D) + kQueries * z.D;
}

// Turns scores into exponentials, and rescales the panel's sum and y to the new maximum.
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

// Computes y for B x T queries; see(row, t) returns the keys of a query. `lse` may be null.
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
      // Later spans see more keys. The longest go first, so that no thread starts one at the end.
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

// Few queries of a sequence are not worth a panel. Generation asks for no lse.
bool is_few(const Prepared& p, const AttentionSizes& z) { return z.T < 8 && p.in[1] == p.in[2] && p.out[1] == DType::DTYPE_NONE; }

void attention(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const AttentionSizes z(p);
  const KeyBounds bounds(z, in);
  if (is_few(p, z)) return attend_few(p, z, bounds, in, out[0], static_cast<float*>(workspace));
  attend(p, in[0], {in[1], p.in[1]}, {in[2], p.in[2]}, out[0], p.out[1] == DType::F32 ? static_cast<float*>(out[1]) : nullptr,
         static_cast<float*>(workspace), [&](int64_t b, int64_t t) { return bounds.of(b * z.T + t); });
}

void write_cache(const Prepared& p, void* const* in, void* const* out, void*) {
  const int64_t rows = p.sizes[0], T = p.sizes[1], S = p.sizes[2], N = p.sizes[3];
  const auto* positions = static_cast<const int32_t*>(in[1]);
#pragma omp parallel for schedule(static) num_threads(rows < 8 ? 1 : p.context.threads)
  for (int64_t row = 0; row < rows; ++row) {
    if (positions[row] < 0 || positions[row] >= S) continue;
    float block[512];
    for (int64_t n = 0; n < N; n += 512) {
      const int64_t width = std::min<int64_t>(512, N - n);
      load(block, in[0], p.in[0], row * N + n, width);
      store(out[0], p.out[0], (row / T * S + positions[row]) * N + n, block, width, false);
    }
  }
}

constexpr OpEntry kOps[] = {
    {"attention",
     [](const NodeView& n, Prepared& p) {
       prepare_attention(n, p);
       const AttentionSizes z(p);
       const int64_t threads = p.context.threads, floats = is_few(p, z) ? floats_of_few(z, threads) : floats_a_thread(z) * threads;
       p.workspace = static_cast<uint64_t>(floats) * sizeof(float);
       p.launch = attention;
     }},
    {"write_cache",
     [](const NodeView& n, Prepared& p) {
       p.sizes[0] = n.in(0).rows();
       p.sizes[1] = n.in(0)[1];
       p.sizes[2] = n.in(2)[1];
       p.sizes[3] = n.in(0)[2];
       p.launch = write_cache;
     }},
};

}  // namespace

std::span<const OpEntry> attention_ops() { return kOps; }

}  // namespace corral::cpu
