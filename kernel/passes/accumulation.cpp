#include "kernel/passes/accumulation.h"

#include <algorithm>

#include "kernel/graph/uses.h"

namespace corral::passes {
namespace {
using graph::Uses;

bool sets_to_zero(const Graph& g, const Node& n) { return op_of(g, n) == "fill" && n.when == When::FIRST; }

// Calls f(gradient, node, number of the output) for each gradient whose first use in a step writes it or adds to it. If `zeros_aside`,
// nodes that set it to 0 do not count as uses.
template <class F>
void each_made_gradient(const Graph& g, bool zeros_aside, F f) {
  const Uses uses(g);
  const auto first = [&](std::span<const uint32_t> nodes) {
    const auto at = std::find_if(nodes.begin(), nodes.end(), [&](uint32_t i) { return !zeros_aside || !sets_to_zero(g, g.nodes[i]); });
    return at == nodes.end() ? Uses::kNone : *at;
  };
  for (const State& s : g.states) {
    if (s.kind != StateKind::GRADIENT || s.saved) continue;
    const size_t i = first(uses.writers(s.tensor));
    if (i == Uses::kNone || g.nodes[i].when != When::EVERY || first(uses.readers(s.tensor)) <= i) continue;
    const std::vector<TensorId>& outputs = g.nodes[i].outputs;
    f(s.tensor, i, static_cast<size_t>(std::find(outputs.begin(), outputs.end(), s.tensor) - outputs.begin()));
  }
}

}  // namespace

Graph write_gradients(Graph g) {
  std::vector<bool> written(g.tensors.size());
  each_made_gradient(g, true, [&](TensorId gradient, size_t i, size_t k) {
    written[gradient] = g.nodes[i].accumulate >> k & 1;
    g.nodes[i].accumulate &= ~(1u << k);
  });
  std::erase_if(g.nodes, [&](const Node& n) { return sets_to_zero(g, n) && written[n.outputs[0]]; });
  return g;
}

std::vector<bool> made_within_step(const Graph& g) {
  std::vector<bool> result(g.tensors.size());
  each_made_gradient(g, false, [&](TensorId gradient, size_t i, size_t k) { result[gradient] = (g.nodes[i].accumulate >> k & 1) == 0; });
  return result;
}

}  // namespace corral::passes
