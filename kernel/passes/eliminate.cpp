#include "kernel/passes/eliminate.h"

#include <algorithm>

namespace corral::passes {

Graph eliminate(Graph g, bool unused_too) {
  std::vector<bool> state(g.tensors.size()), wanted(g.tensors.size()), used(g.tensors.size());
  for (const State& s : g.states) state[s.tensor] = true;
  for (const Port& p : g.outputs) wanted[p.tensor] = true;
  std::vector<Node> kept;
  for (size_t i = g.nodes.size(); i-- > 0;) {
    Node& n = g.nodes[i];
    if (std::none_of(n.outputs.begin(), n.outputs.end(), [&](TensorId t) { return t != 0 && (wanted[t] || state[t]); })) continue;
    for (TensorId t : n.inputs) wanted[t] = used[t] = true;
    for (TensorId t : n.outputs) used[t] = true;
    kept.push_back(std::move(n));
  }
  std::reverse(kept.begin(), kept.end());
  g.nodes = std::move(kept);
  if (unused_too) {
    std::erase_if(g.states, [&](const State& s) { return !used[s.tensor]; });
    std::erase_if(g.inputs, [&](const Port& p) { return !used[p.tensor] && !wanted[p.tensor]; });
  }
  return g;
}

}  // namespace corral::passes
