// Log-sum-exp of the logits in chunks of places: the logits of all places are never whole.
#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/matrix.h"

namespace corral::cpu {
namespace {

constexpr int64_t kPlaces = 128;  // a chunk

struct Buffers {
  const float *x, *w;
  float *logits, *rest;
};

Buffers buffers(const Prepared& p, void* const* in, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2];
  float* at = static_cast<float*>(workspace);
  Buffers b{};
  b.x = as_float(in[0], p.in[0], N * D, at, p.context.threads);
  at += buffer_floats(p.in[0], N * D);
  b.w = as_float(in[1], p.in[1], V * D, at, p.context.threads);
  at += buffer_floats(p.in[1], V * D);
  b.logits = at;
  b.rest = at + kPlaces * V;
  return b;
}

void linear_lse(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2];
  const Buffers b = buffers(p, in, workspace);
  const auto* targets = static_cast<const int32_t*>(in[2]);
  auto *lse = static_cast<float*>(out[0]), *target = static_cast<float*>(out[1]);
  for (int64_t from = 0; from < N; from += kPlaces) {
    const int64_t n = std::min(kPlaces, N - from);
    sgemm(false, true, n, V, D, b.x + from * D, b.w, b.logits, false);
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
    for (int64_t i = 0; i < n; ++i) {
      const float* l = b.logits + i * V;
      const float largest = *std::max_element(l, l + V);
      double sum = 0;
      for (int64_t v = 0; v < V; ++v) sum += std::exp(l[v] - largest);
      lse[from + i] = largest + static_cast<float>(std::log(sum));
      const int32_t t = targets[from + i];
      target[from + i] = t >= 0 && t < V ? l[t] : 0;
    }
  }
}

void linear_lse_backward(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2];
  const Buffers b = buffers(p, in, workspace);
  const auto* targets = static_cast<const int32_t*>(in[2]);
  const auto *lse = static_cast<const float*>(in[3]), *dlse = static_cast<const float*>(in[4]), *dtarget = static_cast<const float*>(in[5]);
  auto* dw = static_cast<float*>(out[1]);
  for (int64_t from = 0; from < N; from += kPlaces) {
    const int64_t n = std::min(kPlaces, N - from);
    sgemm(false, true, n, V, D, b.x + from * D, b.w, b.logits, false);
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
    for (int64_t i = 0; i < n; ++i) {
      float* l = b.logits + i * V;
      const float log_sum = lse[from + i], weight = dlse[from + i];
      for (int64_t v = 0; v < V; ++v) l[v] = std::exp(l[v] - log_sum) * weight;
      if (const int32_t t = targets[from + i]; t >= 0 && t < V) l[t] += dtarget[from + i];
    }
    if (out[0]) {
      sgemm(false, false, n, D, V, b.logits, b.w, b.rest, false);
      store(out[0], p.out[0], from * D, b.rest, n * D, p.adds(0));
    }
    if (dw) sgemm(true, false, V, D, n, b.logits, b.x + from * D, dw, from > 0 || p.adds(1));
  }
}

void token_loss(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto *lse = static_cast<const float*>(in[0]), *target = static_cast<const float*>(in[1]);
  const auto* targets = static_cast<const int32_t*>(in[2]);
  for (int64_t i = 0; i < p.sizes[0]; ++i) static_cast<float*>(out[0])[i] = targets[i] < 0 ? 0 : lse[i] - target[i];
}

void token_loss_backward(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto* targets = static_cast<const int32_t*>(in[0]);
  const auto* dlosses = static_cast<const float*>(in[1]);
  for (int64_t i = 0; i < p.sizes[0]; ++i) {
    const float d = targets[i] < 0 ? 0 : dlosses[i];
    static_cast<float*>(out[0])[i] = d;
    static_cast<float*>(out[1])[i] = -d;
  }
}

void linear(const NodeView& node, Prepared& p, Launch launch) {
  const int64_t N = p.sizes[0] = node.in(0).rows(), D = p.sizes[1] = node.in(0)[-1], V = p.sizes[2] = node.in(1)[0];
  p.workspace = sizeof(float) * static_cast<uint64_t>(buffer_floats(p.in[0], N * D) + buffer_floats(p.in[1], V * D) + kPlaces * (V + D));
  p.launch = launch;
}

constexpr OpEntry kOps[] = {
    {"linear_lse", [](const NodeView& n, Prepared& p) { linear(n, p, linear_lse); }},
    {"linear_lse_backward", [](const NodeView& n, Prepared& p) { linear(n, p, linear_lse_backward); }},
    {"token_loss", [](const NodeView& n, Prepared& p) { p.sizes[0] = n.in(0).elements(), p.launch = token_loss; }},
    {"token_loss_backward", [](const NodeView& n, Prepared& p) { p.sizes[0] = n.in(0).elements(), p.launch = token_loss_backward; }},
};

}  // namespace

std::span<const OpEntry> loss_ops() { return kOps; }

}  // namespace corral::cpu
