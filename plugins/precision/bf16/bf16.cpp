// Stores parameters, caches and activations in bfloat16. The optimizer adds float32 masters; gradients of parameters, statistics of
// softmax and losses stay float32.
#include "corral/graph.h"
#include "corral/precision.h"
#include "options.wire.h"

namespace {
using corral::DType;
using corral::Graph;
using corral::StateKind;

class Bf16 final : public corral::Precision<corral::options::bf16::Options> {
  Graph transform(Graph g, const Options&) override {
    for (const corral::State& s : g.states)
      if ((s.kind == StateKind::PARAMETER || s.kind == StateKind::CACHE) && !s.keeps_type) lower(g.tensors[s.tensor]);
    for (corral::Tensor& t : g.tensors)
      if (t.activation) lower(t);
    return g;
  }

  static void lower(corral::Tensor& t) {
    if (t.dtype == DType::F32) t.dtype = DType::BF16;
  }
};
}  // namespace

CORRAL_PLUGIN(Bf16)
