#include "kernel/passes/step_sums.h"

#include <algorithm>
#include <iterator>

namespace corral::passes {
namespace {

TensorId add_state(GraphBuilder& b, const char* name, DType dtype) {
  State s;
  s.kind = StateKind::STATISTIC;
  return b.state(name, dtype, {1}, s);
}

}  // namespace

Graph step_sums(Graph g) {
  const TensorId losses = find_port(g, g.outputs, "losses"), weights = find_port(g, g.inputs, "weights");
  if (!losses || !weights) return g;  // nothing is trained; the optimizer reports that
  std::erase_if(g.outputs, [&](const Port& p) { return p.tensor == losses; });
  std::vector<Node> before = std::move(g.nodes);
  g.nodes.clear();
  const auto writes_losses = [&](const Node& n) { return std::find(n.outputs.begin(), n.outputs.end(), losses) != n.outputs.end(); };
  const auto behind_losses = std::find_if(before.rbegin(), before.rend(), writes_losses).base();

  GraphBuilder b(g);
  b.scope = "step";
  const TensorId loss_sum = add_state(b, "loss_sum", DType::F64), weight_sum = add_state(b, "weight_sum", DType::F64);
  add_state(b, "grad_norm", DType::F32);
  for (const TensorId sum : {loss_sum, weight_sum}) b.node("fill", {sum}, {sum}, {{"value", attribute(0.0)}}).when = When::FIRST;
  std::move(before.begin(), behind_losses, std::back_inserter(g.nodes));
  const TensorId weighted = b.tensor("weighted_losses", DType::F32, g.tensors[losses].shape);
  b.node("mul", {losses, weights}, {weighted});
  b.node("sum", {weighted}, {loss_sum}).accumulate = 1;
  b.node("sum", {weights}, {weight_sum}).accumulate = 1;
  std::move(behind_losses, before.end(), std::back_inserter(g.nodes));
  return g;
}

}  // namespace corral::passes
