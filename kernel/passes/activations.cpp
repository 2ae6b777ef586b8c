#include "kernel/passes/activations.h"

#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::passes {

Graph mark_activations(Graph g) {
  std::vector<bool> keeps_type(g.tensors.size());
  for (const Port& p : g.outputs) keeps_type[p.tensor] = true;
  for (const State& s : g.states) keeps_type[s.tensor] = true;
  const auto mark = [&](const Node& n) {
    const graph::OpDef* def = graph::try_op(op_of(g, n));
    if (!def || def->activations.empty()) return;
    const std::vector<std::string>& outputs = def->operands(graph::attributes_of(g, n)).outputs;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const bool named = std::find(def->activations.begin(), def->activations.end(), outputs[k]) != def->activations.end();
      if (named && n.outputs[k] != 0 && !keeps_type[n.outputs[k]]) g.tensors[n.outputs[k]].activation = true;
    }
  };
  for (const Node& n : g.nodes) {
    mark(n);
    for (const Node& part : body_of(n)) mark(part);
  }
  return g;
}

}  // namespace corral::passes
