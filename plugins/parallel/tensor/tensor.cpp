// Cuts the linear layers of a transformer over ranks that share each layer.  arXiv:1909.08053
#include "corral/graph.h"
#include "corral/parallel.h"
#include "options.wire.h"

namespace corral {
namespace {

// Parameters by the end of their names, and the axis that is cut: 0 the outputs of a layer, 1 its inputs.
struct Rule {
  const char* end;
  uint32_t axis;
};
constexpr Rule kRules[] = {
    {".q_proj.weight", 0},
    {".k_proj.weight", 0},
    {".v_proj.weight", 0},
    {".gate_proj.weight", 0},
    {".up_proj.weight", 0},
    {".o_proj.weight", 1},
    {".down_proj.weight", 1},
    // Both by vocabulary: the logits are never whole.
    {"embed_tokens.weight", 0},
    {"lm_head.weight", 0},
    // The side of an adapter that has the cut axis of its layer.
    {".q_proj.lora_B.weight", 0},
    {".k_proj.lora_B.weight", 0},
    {".v_proj.lora_B.weight", 0},
    {".gate_proj.lora_B.weight", 0},
    {".up_proj.lora_B.weight", 0},
    {".o_proj.lora_A.weight", 1},
    {".down_proj.lora_A.weight", 1},
    {".q_proj.lora_magnitude_vector.weight", 0},
    {".k_proj.lora_magnitude_vector.weight", 0},
    {".v_proj.lora_magnitude_vector.weight", 0},
    {".gate_proj.lora_magnitude_vector.weight", 0},
    {".up_proj.lora_magnitude_vector.weight", 0},
};

class TensorParallel final : public Parallel<options::tensor::Options> {
  Placement place(const options::tensor::Options&, const ParallelRequest& request) override {
    const Graph& g = request.graph;
    Placement placement;
    for (const State& s : g.states) {
      if (s.kind != StateKind::PARAMETER) continue;
      for (const Rule& rule : kRules) {
        if (!name_of(g, s.tensor).ends_with(rule.end) || rule.axis >= g.tensors[s.tensor].shape.size()) continue;
        placement.cuts.emplace_back();
        placement.cuts.back().tensor = s.tensor;
        placement.cuts.back().dimension = "tensor";
        placement.cuts.back().axis = rule.axis;
        break;
      }
    }
    return placement;
  }
};

}  // namespace
}  // namespace corral

CORRAL_PLUGIN(corral::TensorParallel)
