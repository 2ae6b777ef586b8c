// Elementwise operations, in blocks that stay in the L1 cache.
#include <algorithm>

#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"

namespace corral::cpu {
namespace {

constexpr int64_t kBlock = 1024;

void elements_only(const NodeView& node, Prepared& p) { p.sizes[0] = node.out(0).elements(); }

// Calls f(input blocks, output blocks, count) for all elements. A block has whole vectors; elements beyond `count` are not stored.
template <int In, int Out, class F>
void blocks(const Prepared& p, void* const* inputs, void* const* outputs, F f) {
  const int64_t n = p.sizes[0], count = (n + kBlock - 1) / kBlock;
#pragma omp parallel for schedule(static) num_threads(p.team(n))
  for (int64_t block = 0; block < count; ++block) {
    alignas(64) float in[In][kBlock], out[Out][kBlock];
    const int64_t from = block * kBlock, size = std::min(kBlock, n - from);
    for (int i = 0; i < In; ++i) load(in[i], inputs[i], p.in[i], from, size);
    f(in, out, size);
    for (int i = 0; i < Out; ++i)
      if (outputs[i]) store(outputs[i], p.out[i], from, out[i], size, p.adds(i));
  }
}

void add(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<2, 1>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[0][i] = x[0][i] + x[1][i];
  });
}

void mul(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<2, 1>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[0][i] = x[0][i] * x[1][i];
  });
}

void divide(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<2, 1>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[0][i] = x[0][i] / x[1][i];
  });
}

void square_root(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<1, 1>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[0][i] = std::sqrt(x[0][i]);
  });
}

void scale(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto factor = static_cast<float>(p.numbers[0]);
  blocks<1, 1>(p, in, out, [factor](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; ++i) y[0][i] = factor * x[0][i];
  });
}

void cast(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<1, 1>(p, in, out, [](auto& x, auto& y, int64_t n) { std::copy(x[0], x[0] + n, y[0]); });
}

void swiglu(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<2, 1>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
      const Vec gate = cpu::load(x[0] + i);
      cpu::store(y[0] + i, gate / (1 + exp(-gate)) * cpu::load(x[1] + i));
    }
  });
}

void swiglu_backward(const Prepared& p, void* const* in, void* const* out, void*) {
  blocks<3, 2>(p, in, out, [](auto& x, auto& y, int64_t n) {
    for (int64_t i = 0; i < n; i += kLanes) {
      const Vec gate = cpu::load(x[0] + i), up = cpu::load(x[1] + i), dy = cpu::load(x[2] + i), s = 1 / (1 + exp(-gate));
      cpu::store(y[0] + i, dy * up * s * (1 + gate * (1 - s)));
      cpu::store(y[1] + i, dy * gate * s);
    }
  });
}

void fill(const Prepared& p, void* const*, void* const* out, void*) {
  const int64_t n = p.sizes[0];
  if (p.out[0] == DType::F64) {
    std::fill_n(static_cast<double*>(out[0]), n, p.numbers[0]);
    return;
  }
  float block[kBlock];
  std::fill(block, block + kBlock, static_cast<float>(p.numbers[0]));
#pragma omp parallel for schedule(static) num_threads(p.team(n))
  for (int64_t from = 0; from < n; from += kBlock) store(out[0], p.out[0], from, block, std::min(kBlock, n - from), p.adds(0));
}

void local_ids(const Prepared& p, void* const* in, void* const* out, void*) {
  const auto* ids = static_cast<const int32_t*>(in[0]);
  const int64_t first = *static_cast<const int64_t*>(in[1]), count = p.sizes[1];
  for (int64_t i = 0; i < p.sizes[0]; ++i) {
    const int64_t local = ids[i] - first;
    static_cast<int32_t*>(out[0])[i] = static_cast<int32_t>(local >= 0 && local < count ? local : -1);
  }
}

// The hash of dropout as sdk/operations.md defines it; see kernel/graph/ops/dropout.cpp.
uint64_t mixed(uint64_t z) {
  z += 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void dropout(const Prepared& p, void* const* in, void* const* out, void*) {
  const int64_t D = p.sizes[1], rows = p.sizes[0] / D;
  const auto* token_index = static_cast<const int64_t*>(in[1]);
  const auto* seed = static_cast<const int64_t*>(in[2]);
  const auto first = static_cast<uint64_t>(p.in[3] == DType::I64 ? *static_cast<const int64_t*>(in[3]) : 0);
  const double rate = p.numbers[0];
  const auto limit = static_cast<uint64_t>(std::ceil(rate * 0x1p24));
  const auto keep = static_cast<float>(1 / (1 - rate));
  const uint64_t run =
      mixed(mixed(mixed(static_cast<uint64_t>(seed[0])) ^ static_cast<uint64_t>(seed[1])) ^ static_cast<uint64_t>(p.sizes[2]));
#pragma omp parallel for schedule(static) num_threads(p.team(p.sizes[0]))
  for (int64_t r = 0; r < rows; ++r) {
    const uint64_t token = mixed(run ^ static_cast<uint64_t>(token_index[r]));
    float block[kBlock];
    for (int64_t from = 0; from < D; from += kBlock) {
      const int64_t n = std::min(kBlock, D - from);
      load(block, in[0], p.in[0], r * D + from, n);
      for (int64_t d = 0; d < n; ++d)
        block[d] = mixed(token ^ (first + static_cast<uint64_t>(from + d))) >> 40 < limit ? 0 : block[d] * keep;
      store(out[0], p.out[0], r * D + from, block, n, p.adds(0));
    }
  }
}

constexpr OpEntry kOps[] = {
    {"add", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = add; }},
    {"mul", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = mul; }},
    {"divide", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = divide; }},
    {"sqrt", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = square_root; }},
    {"local_ids", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.sizes[1] = n.integer("count", 0), p.launch = local_ids; }},
    {"scale", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.numbers[0] = n.number("factor", 1), p.launch = scale; }},
    {"cast", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = cast; }},
    {"swiglu", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = swiglu; }},
    {"swiglu_backward", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.launch = swiglu_backward; }},
    {"fill", [](const NodeView& n, Prepared& p) { elements_only(n, p), p.numbers[0] = n.number("value", 0), p.launch = fill; }},
    {"dropout",
     [](const NodeView& n, Prepared& p) {
       elements_only(n, p);
       p.sizes[1] = n.in(0)[-1];
       p.sizes[2] = n.integer("key", 0);
       p.numbers[0] = n.number("rate", 0);
       p.launch = dropout;
     }},
};

}  // namespace

std::span<const OpEntry> elementwise_ops() { return kOps; }

}  // namespace corral::cpu
