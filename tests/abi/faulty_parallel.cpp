// A parallel plugin that cuts parameters over tensor and the batch over data, and moves every second layer into a second stage.
// $CORRAL_TEST_FAULT says how it breaks its contract.
#include <cstdlib>
#include <set>

#include "corral/graph.h"
#include "corral/parallel.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;

TensorCut cut(uint32_t tensor, const std::string& dimension, uint32_t axis) {
  TensorCut c;
  c.tensor = tensor;
  c.dimension = dimension;
  c.axis = axis;
  return c;
}

// True if a scope such as model.layers.3 belongs to a layer of the second chunk.
bool is_odd_layer(const std::string& scope) {
  const size_t at = scope.find("layers.");
  return at != std::string::npos && std::atoi(scope.c_str() + at + 7) % 2 == 1;
}

StageAction action(uint32_t chunk, Phase phase, uint32_t micro_batch) {
  StageAction a;
  a.chunk = chunk;
  a.phase = phase;
  a.micro_batch = micro_batch;
  return a;
}

class Faulty final : public Parallel<NoOptions> {
  Placement place(const NoOptions&, const ParallelRequest& request) override {
    const Graph& g = request.graph;
    Placement p;
    for (const State& s : g.states)
      if (s.kind == StateKind::PARAMETER && g.tensors.at(s.tensor).shape.size() == 2) p.cuts.push_back(cut(s.tensor, "tensor", 0));
    p.cuts.push_back(cut(find_port(g, g.inputs, "tokens"), "data", 0));
    if (fault("cut what is not there")) p.cuts.push_back(cut(1'000'000, "tensor", 0));
    if (fault("cut an axis too many")) p.cuts[0].axis = 2;
    if (fault("cut over nothing")) p.cuts[0].dimension = "expert";
    if (fault("cut twice")) p.cuts.push_back(p.cuts[0]);
    std::set<std::string> odd;
    for (const Node& n : g.nodes)
      if (is_odd_layer(g.names[n.scope])) odd.insert(g.names[n.scope]);
    for (const std::string& scope : odd) {
      p.chunks.emplace_back();
      p.chunks.back().scope = scope;
      p.chunks.back().chunk = 1;
    }
    for (uint32_t stage = 0; stage < (odd.empty() ? 1 : 2); ++stage) {
      p.stages.emplace_back();
      p.stages.back().stage = stage;
      for (const Phase phase : {Phase::FORWARD, Phase::BACKWARD})
        for (uint32_t m = 0; m < request.micro_batches; ++m)
          if (!(m == 1 && fault("forget a micro-batch"))) p.stages.back().actions.push_back(action(stage, phase, m));
    }
    return p;
  }

  Graph lower(const NoOptions&, const ParallelRequest& request) override {
    Graph g = request.graph;
    if (fault("lose a node")) g.nodes.erase(g.nodes.begin() + static_cast<std::ptrdiff_t>(g.nodes.size() / 2));
    if (fault("lose a field")) g.unknown.clear();
    return g;
  }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
