// Cuts activations between tensor-parallel layers along the tokens.  arXiv:2205.05198
#include "corral/graph.h"
#include "corral/parallel.h"
#include "options.wire.h"

namespace corral {
namespace {

class SequenceParallel final : public Parallel<options::sequence::Options> {
  // One cut is enough: the residual stream begins with the embedding's output, and the partition carries the cut on.
  Placement place(const options::sequence::Options&, const ParallelRequest& request) override {
    const Graph& g = request.graph;
    Placement placement;
    for (const Node& n : g.nodes) {
      if (op_of(g, n) != "embedding" || n.phase != Phase::FORWARD || g.tensors[n.outputs[0]].shape.size() != 3) continue;
      placement.cuts.emplace_back();
      placement.cuts.back().tensor = n.outputs[0];
      placement.cuts.back().dimension = "tensor";
      placement.cuts.back().axis = 1;
    }
    return placement;
  }
};

}  // namespace
}  // namespace corral

CORRAL_PLUGIN(corral::SequenceParallel)
