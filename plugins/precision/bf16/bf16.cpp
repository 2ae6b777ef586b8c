// Parameters and activations take bfloat16, two bytes; the optimizer adds float32 masters; gradients of parameters, statistics of softmax
// and losses stay float32.
#include <algorithm>
#include <string_view>

#include "corral/graph.h"
#include "corral/precision.h"
#include "options.wire.h"

namespace {
using corral::DType;
using corral::Graph;
using corral::StateKind;

// How many leading outputs of an operation are activations, rounded once when written. All others keep their type.
struct Rounded {
  std::string_view op;
  size_t outputs;
};
constexpr Rounded kRounded[] = {{"embedding", 1},
                                {"rms_norm", 1},
                                {"product", 1},
                                {"rope", 1},
                                {"attention", 1},
                                {"attention_cached", 1},
                                {"attention_backward", 3},
                                {"swiglu", 1},
                                {"swiglu_backward", 2},
                                {"add", 1},
                                {"mul", 1},
                                {"scale", 1},
                                {"scale_features", 1},
                                {"dropout", 1},
                                {"rms_norm_backward", 1},
                                {"linear_lse_backward", 1},
                                {"select_rows", 1}};

class Bf16 final : public corral::Precision<corral::options::bf16::Options> {
  Graph transform(Graph g, const Options&) override {
    std::vector<bool> keep(g.tensors.size());
    for (const corral::Port& p : g.outputs) keep[p.tensor] = true;
    for (const corral::State& s : g.states) {
      const bool stored = (s.kind == StateKind::PARAMETER || s.kind == StateKind::CACHE) && !s.keeps_type;
      if (stored) lower(g, s.tensor);
      keep[s.tensor] = true;
    }
    const auto round = [&](const auto& n) {
      const auto* rule = std::find_if(std::begin(kRounded), std::end(kRounded), [&](const Rounded& r) { return r.op == g.names[n.op]; });
      if (rule == std::end(kRounded)) return;
      for (size_t i = 0; i < std::min(rule->outputs, n.outputs.size()); ++i)
        if (!keep[n.outputs[i]]) lower(g, n.outputs[i]);
    };
    for (const corral::Node& n : g.nodes) {
      round(n);
      for (const corral::BodyNode& part : n.body) round(part);
    }
    return g;
  }

  static void lower(Graph& g, corral::TensorId id) {
    if (g.tensors[id].dtype == DType::F32) g.tensors[id].dtype = DType::BF16;
  }
};
}  // namespace

CORRAL_PLUGIN(Bf16)
