// The update phase: clipping factor and AdamW.
#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

void clip_factor(const Prepared& p, void* const* in, void* const* out, void*) {
  const double count = *static_cast<const float*>(in[1]), norm = std::sqrt(static_cast<double>(*static_cast<const float*>(in[0]))) / count;
  const double clip = p.numbers[0];
  *static_cast<float*>(out[0]) = static_cast<float>((clip > 0 ? std::min(1.0, clip / (norm + 1e-6)) : 1.0) / count);
  *static_cast<float*>(out[1]) = static_cast<float>(norm);
}

void adamw(const Prepared& p, void* const* in, void* const* out, void*) {
  const double lr = *static_cast<const double*>(in[6]), step = *static_cast<const double*>(in[7]);
  const auto b1 = static_cast<float>(p.numbers[0]), b2 = static_cast<float>(p.numbers[1]), eps = static_cast<float>(p.numbers[2]);
  const auto factor = *static_cast<const float*>(in[5]);
  const auto rate = static_cast<float>(lr / (1 - std::pow(p.numbers[0], step))), keep = static_cast<float>(1 - lr * p.numbers[3]);
  const auto inverse_root = static_cast<float>(1 / std::sqrt(1 - std::pow(p.numbers[1], step)));
  const auto* gradient = static_cast<const float*>(in[4]);
  auto *m = static_cast<float*>(out[2]), *v = static_cast<float*>(out[3]);
  auto* w = static_cast<float*>(out[1] ? out[1] : out[0]);
  auto* rounded = out[1] && p.out[0] == DType::BF16 ? static_cast<uint16_t*>(out[0]) : nullptr;
  auto* same = out[1] && p.out[0] == DType::F32 ? static_cast<float*>(out[0]) : nullptr;
#pragma omp parallel for simd schedule(static) num_threads(p.context.threads)
  for (int64_t i = 0; i < p.sizes[0]; ++i) {
    const float g = gradient[i] * factor;
    m[i] += (1 - b1) * (g - m[i]);
    v[i] += (1 - b2) * (g * g - v[i]);
    w[i] = w[i] * keep - rate * m[i] / (std::sqrt(v[i]) * inverse_root + eps);
    if (rounded) rounded[i] = to_bf16(w[i]);
    if (same) same[i] = w[i];
  }
}

constexpr OpEntry kOps[] = {
    {"clip_factor", [](const NodeView& n, Prepared& p) { p.numbers[0] = n.number("clip", 0), p.launch = clip_factor; }},
    {"adamw",
     [](const NodeView& n, Prepared& p) {
       if (!n.in(1) && p.out[0] != DType::F32) throw Unsupported("adamw: a parameter that is not float32 needs a master");
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
