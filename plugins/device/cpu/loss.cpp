// Log-sum-exp of the logits, block by block of the vocabulary: the logits never exist for the whole vocabulary, and each weight is read
// once.
#include <algorithm>

#include "plugins/device/cpu/gemm.h"
#include "plugins/device/cpu/kernel.h"
#include "plugins/device/cpu/number.h"
#include "plugins/device/cpu/softmax.h"

namespace corral::cpu {
namespace {

// Words of the vocabulary per block: about 16 MiB of logits.
int64_t block_of(int64_t N, int64_t V) {
  return std::min(V, std::max<int64_t>(512, (int64_t{1} << 22) / std::max<int64_t>(N, 1) / 32 * 32));
}

// The operands of a launch: N tokens, D features, V words.
struct Head {
  const Prepared& p;
  int64_t N = p.sizes[0], D = p.sizes[1], V = p.sizes[2], block = block_of(N, V);

  Gemm logits(int64_t words) const {
    return {.m = N, .n = words, .k = D, .tb = true, .a = p.in[0], .b = p.in[1], .threads = p.context.threads};
  }
  // If x is bfloat16, the gradient of the logits may be rounded to it in the product; sums are float32.
  Gemm dw(int64_t words, bool add) const {
    return {.m = words, .n = D, .k = N, .ta = true, .b = p.in[0], .add = add, .threads = p.context.threads, .rounds = true};
  }
  Gemm dx(int64_t words, bool add) const {
    return {.m = N, .n = D, .k = words, .b = p.in[1], .add = add, .threads = p.context.threads, .rounds = true};
  }
  const void* weights(void* const* in, int64_t word) const { return at(in[1], p.in[1], word * D); }
};

void linear_lse(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  const Head h{p};
  const auto* targets = static_cast<const int32_t*>(in[2]);
  auto *lse = static_cast<float*>(out[0]), *target = static_cast<float*>(out[1]),
       *largest_logit = p.out[2] == DType::F32 ? static_cast<float*>(out[2]) : nullptr;
  float* logits = static_cast<float*>(workspace);
  auto* sums = reinterpret_cast<double*>(logits + h.N * h.block);
  void* rest = sums + (h.N + 7) / 8 * 8;
  for (int64_t word = 0; word < h.V; word += h.block) {
    const int64_t words = std::min(h.block, h.V - word);
    h.logits(words).run(in[0], h.weights(in, word), logits, rest);
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
    for (int64_t i = 0; i < h.N; ++i) {
      const float* l = logits + i * words;
      // `lse` contains the largest logit so far until the last block.
      const float before = word == 0 ? -INFINITY : lse[i], most = std::max(before, largest(l, words));
      const float base = most == -INFINITY ? 0 : most;
      sums[i] = (word == 0 ? 0 : sums[i] * std::exp(static_cast<double>(before - base))) + static_cast<double>(sum_of_exp(l, words, base));
      lse[i] = most;
      const int64_t t = targets[i] - word;
      if (t >= 0 && t < words) target[i] = l[t];
      if (targets[i] < 0 || targets[i] >= h.V) target[i] = 0;
      if (largest_logit) largest_logit[i] = most;
      if (word + words == h.V) lse[i] = base + static_cast<float>(std::log(sums[i]));
    }
  }
}

// Lists the tokens whose logits have a gradient in `to`; tokens without a target cost nothing.
int64_t trained_places(int64_t N, const int32_t* targets, const float* dlse, const float* dtarget, int32_t* to) {
  int64_t count = 0;
  for (int64_t i = 0; i < N; ++i)
    if (dlse[i] != 0 || (targets[i] >= 0 && dtarget[i] != 0)) to[count++] = static_cast<int32_t>(i);
  return count;
}

// Computes the gradients block by block of the vocabulary, for `places` only; x and dx contain just their rows.
void backward_blocks(const Head& h, const int32_t* places, const void* x, void* const* in, float* dx, float* dw, bool dx_adds,
                     float* logits, float* rest) {
  const auto* targets = static_cast<const int32_t*>(in[2]);
  const auto *lse = static_cast<const float*>(in[3]), *dlse = static_cast<const float*>(in[4]), *dtarget = static_cast<const float*>(in[5]);
  for (int64_t word = 0; word < h.V; word += h.block) {
    const int64_t words = std::min(h.block, h.V - word);
    h.logits(words).run(x, h.weights(in, word), logits, rest);
#pragma omp parallel for schedule(static) num_threads(h.p.context.threads)
    for (int64_t j = 0; j < h.N; ++j) {
      const int64_t i = places[j], t = targets[i] - word;
      float* l = logits + j * words;
      scaled_exp(l, words, lse[i], dlse[i]);
      if (targets[i] >= 0 && t >= 0 && t < words) l[t] += dtarget[i];
    }
    if (dx) h.dx(words, word > 0 || dx_adds).run(logits, h.weights(in, word), dx, rest);
    if (dw) h.dw(words, h.p.adds(1)).run(logits, x, dw + word * h.D, rest);
  }
}

// The layout of the gradient's workspace in floats, large enough for all tokens.
struct BackwardSpace {
  int64_t x, dx, places, rest;
  explicit BackwardSpace(const Head& h) {
    const auto lines = [](int64_t n) { return (n + 15) / 16 * 16; };
    x = lines(h.N * h.block);
    dx = x + lines(h.N * h.D * width_of(h.p.in[0]) / 4 + 1);
    places = dx + (h.p.out[0] == DType::DTYPE_NONE ? 0 : lines(h.N * h.D));
    rest = places + lines(h.N);
  }
};

void linear_lse_backward(const Prepared& p, void* const* in, void* const* out, void* workspace) {
  Head h{p};
  const int64_t N = h.N, D = h.D;
  const BackwardSpace space(h);
  auto* floats = static_cast<float*>(workspace);
  auto* places = reinterpret_cast<int32_t*>(floats + space.places);
  h.N = trained_places(N, static_cast<const int32_t*>(in[2]), static_cast<const float*>(in[4]), static_cast<const float*>(in[5]), places);
  const bool all = h.N == N;
  const void* x = in[0];
  if (!all) {
    x = floats + space.x;
    for (int64_t j = 0; j < h.N; ++j)
      std::memcpy(at(floats + space.x, p.in[0], j * D), at(in[0], p.in[0], places[j] * D), static_cast<size_t>(D * width_of(p.in[0])));
  }
  // dx is computed apart if it must be scattered to some of the tokens, or rounded only after the last block.
  const bool apart = !all || p.out[0] == DType::BF16;
  float* dx = !out[0] ? nullptr : apart ? floats + space.dx : static_cast<float*>(out[0]);
  backward_blocks(h, places, x, in, dx, static_cast<float*>(out[1]), !apart && p.adds(0), floats, floats + space.rest);
  if (!dx || !apart) return;
  if (!all && !p.adds(0)) std::memset(out[0], 0, static_cast<size_t>(N * D * width_of(p.out[0])));
#pragma omp parallel for schedule(static) num_threads(p.context.threads)
  for (int64_t j = 0; j < h.N; ++j) store(out[0], p.out[0], places[j] * D, dx + j * D, D, p.adds(0));
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
  p.sizes[0] = node.in(0).rows(), p.sizes[1] = node.in(0)[-1], p.sizes[2] = node.in(1)[0];
  const Head h{p};
  const auto bytes = [](int64_t floats) { return sizeof(float) * static_cast<uint64_t>(floats); };
  if (launch == linear_lse)
    p.workspace = bytes(h.N * h.block + (h.N + 7) / 8 * 16) + h.logits(h.block).workspace();
  else
    p.workspace = bytes(BackwardSpace(h).rest) +
                  std::max({h.logits(h.block).workspace(), h.dx(h.block, true).workspace(), h.dw(h.block, true).workspace()});
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
