// The update phase: clipping factor and AdamW.
#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

void clip_factor(const Prepared& p, void* const* in, void* const* out, void*) {
  const double squares = *static_cast<const float*>(in[0]), loss = *static_cast<const double*>(in[1]),
               weights = *static_cast<const double*>(in[2]), divisor = weights > 0 ? weights : 1;
  const double norm = std::sqrt(squares) / divisor, clip = p.numbers[0];
  *static_cast<float*>(out[0]) = static_cast<float>((clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / divisor);
  *static_cast<float*>(out[1]) = static_cast<float>(norm);
  *static_cast<float*>(out[2]) = std::isfinite(static_cast<float>(norm)) && std::isfinite(loss) && std::isfinite(weights);
}

void adamw(const Prepared& p, void* const* in, void* const* out, void*) {
  const bool finite = *static_cast<const float*>(in[5]) != 0;
  const double lr = *static_cast<const double*>(in[6]), step = *static_cast<const double*>(in[7]);
  const auto b1 = static_cast<float>(p.numbers[0]), b2 = static_cast<float>(p.numbers[1]), eps = static_cast<float>(p.numbers[2]);
  const auto factor = *static_cast<const float*>(in[4]);
  const auto rate = static_cast<float>(lr / (1 - std::pow(p.numbers[0], step))), keep = static_cast<float>(1 - lr * p.numbers[3]);
  const auto inverse_root = static_cast<float>(1 / std::sqrt(1 - std::pow(p.numbers[1], step)));
  const auto* gradient = static_cast<const float*>(in[3]);
  auto *w = static_cast<float*>(out[0]), *m = static_cast<float*>(out[1]), *v = static_cast<float*>(out[2]);
  const auto one = [&](const float* g_at, float* m_at, float* v_at, float* w_at) {
    const Vec g = load(g_at) * factor, m_old = load(m_at), v_old = load(v_at);
    const Vec m_new = m_old + (1 - b1) * (g - m_old), v_new = v_old + (1 - b2) * (g * g - v_old);
    store(m_at, m_new);
    store(v_at, v_new);
    store(w_at, load(w_at) * keep - rate * m_new / (root(v_new) * inverse_root + eps));
  };
  const auto block = [&](int64_t i, int64_t end) {
    for (; i + kLanes <= end; i += kLanes) one(gradient + i, m + i, v + i, w + i);
    if (i == end) return;
    float rest[4][kLanes] = {};
    const auto bytes = static_cast<size_t>(end - i) * sizeof(float);
    const float* const arrays[] = {gradient + i, m + i, v + i, w + i};
    for (int k = 0; k < 4; ++k) std::memcpy(rest[k], arrays[k], bytes);
    one(rest[0], rest[1], rest[2], rest[3]);
    float* const updated[] = {m + i, v + i, w + i};
    for (int k = 0; k < 3; ++k) std::memcpy(updated[k], rest[k + 1], bytes);
  };
  constexpr int64_t kBlock = 4096;
#pragma omp parallel for schedule(static) num_threads(p.team(p.sizes[0]))
  for (int64_t from = 0; from < p.sizes[0]; from += kBlock) {
    const int64_t end = std::min(from + kBlock, p.sizes[0]);
    if (finite) block(from, end);
    if (out[3]) cpu::store(out[3], p.out[3], from, w + from, end - from, false);
  }
}

constexpr OpEntry kOps[] = {
    {"clip_factor", [](const NodeView& n, Prepared& p) { p.numbers[0] = n.number("clip", 0), p.launch = clip_factor; }},
    {"adamw",
     [](const NodeView& n, Prepared& p) {
       p.sizes[0] = n.in(0).elements();
       p.numbers[0] = n.number("beta1", 0.9);
       p.numbers[1] = n.number("beta2", 0.999);
       p.numbers[2] = n.number("eps", 1e-8);
       p.numbers[3] = n.number("weight_decay", 0);
       p.launch = adamw;
     }},
};

}  // namespace

std::span<const OpEntry> update_ops() { return kOps; }

}  // namespace corral::cpu
