#include "kernel/passes/eliminate.h"

#include <algorithm>

#include "kernel/graph/uses.h"

namespace corral::passes {

Graph eliminate(Graph g, bool unused_too) {
  const graph::Uses uses(g);
  std::vector<bool> outside(g.tensors.size()), kept(g.nodes.size());
  for (const State& s : g.states) outside[s.tensor] = true;
  for (const Port& p : g.outputs) outside[p.tensor] = true;
  const auto any_kept = [&](std::span<const uint32_t> nodes) {
    return std::any_of(nodes.begin(), nodes.end(), [&](uint32_t i) { return kept[i]; });
  };
  for (size_t i = g.nodes.size(); i-- > 0;)
    kept[i] = std::any_of(g.nodes[i].outputs.begin(), g.nodes[i].outputs.end(),
                          [&](TensorId t) { return t != 0 && (outside[t] || any_kept(uses.readers(t))); });
  if (unused_too) {
    const auto unused = [&](TensorId t) { return !any_kept(uses.writers(t)) && !any_kept(uses.readers(t)); };
    std::erase_if(g.states, [&](const State& s) { return unused(s.tensor); });
    const auto is_output = [&](TensorId t) {
      return std::any_of(g.outputs.begin(), g.outputs.end(), [&](const Port& p) { return p.tensor == t; });
    };
    std::erase_if(g.inputs, [&](const Port& p) { return unused(p.tensor) && !is_output(p.tensor); });
  }
  size_t i = 0;
  std::erase_if(g.nodes, [&](const Node&) { return !kept[i++]; });
  return g;
}

}  // namespace corral::passes
