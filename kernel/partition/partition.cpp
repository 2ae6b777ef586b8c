#include "kernel/partition/partition.h"

#include "kernel/graph/verify.h"
#include "kernel/partition/axes.h"

namespace corral::partition {

Graph partition(Graph g) {
  const auto check = [&](const Node& n, const std::string& where) {
    const graph::OpDef& def = graph::find_op(op_of(g, n), where);
    std::vector<const Shape*> inputs, outputs;
    for (TensorId t : n.inputs) inputs.push_back(t ? &g.tensors[t].shape : nullptr);
    for (TensorId t : n.outputs) outputs.push_back(t ? &g.tensors[t].shape : nullptr);
    check_axes(def, def.operands(graph::attributes_of(g, n)), inputs, outputs, where);
  };
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].body.empty()) check(g.nodes[i], graph::where(g, i));
    for (const Node& part : body_of(g.nodes[i])) check(part, graph::where(g, i));
  }
  return g;
}

}  // namespace corral::partition
