#include "kernel/passes/accumulation.h"

#include <algorithm>
#include <unordered_set>

namespace corral::passes {
namespace {

bool has(const std::vector<TensorId>& list, TensorId t) { return std::find(list.begin(), list.end(), t) != list.end(); }

std::vector<bool> gradients_of(const Graph& g) {
  std::vector<bool> result(g.tensors.size());
  for (const State& s : g.states) result[s.tensor] = s.kind == StateKind::GRADIENT && !s.saved;
  return result;
}

bool sets_to_zero(const Graph& g, const Node& n) { return op_of(g, n) == "fill" && n.when == When::FIRST; }

}  // namespace

Graph write_gradients(Graph g) {
  std::vector<bool> waiting = gradients_of(g);
  std::unordered_set<TensorId> written;
  for (Node& n : g.nodes) {
    if (sets_to_zero(g, n)) continue;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      if (!waiting[t] || n.when != When::EVERY || has(n.inputs, t) || (n.accumulate >> k & 1) == 0) continue;
      n.accumulate &= ~(1u << k);
      written.insert(t);
    }
    for (const auto* operands : {&n.inputs, &n.outputs})
      for (const TensorId t : *operands) waiting[t] = false;
  }
  std::erase_if(g.nodes, [&](const Node& n) { return sets_to_zero(g, n) && written.contains(n.outputs[0]); });
  return g;
}

std::vector<bool> made_within_step(const Graph& g) {
  std::vector<bool> waiting = gradients_of(g), result(g.tensors.size());
  for (const Node& n : g.nodes) {
    for (const TensorId t : n.inputs) waiting[t] = false;
    for (size_t k = 0; k < n.outputs.size(); ++k) {
      const TensorId t = n.outputs[k];
      if (waiting[t] && n.when == When::EVERY && (n.accumulate >> k & 1) == 0) result[t] = true;
      waiting[t] = false;
    }
  }
  return result;
}

}  // namespace corral::passes
