#include "kernel/partition/partition.h"

#include "kernel/graph/factors.h"
#include "kernel/graph/verify.h"

namespace corral::partition {

Graph partition(Graph g) {
  const auto check = [&](const Node& n, const std::string& where) {
    const graph::OpDef& def = graph::find_op(op_of(g, n), where);
    const graph::Attrs attrs = graph::attributes_of(g, n);
    std::vector<const Shape*> inputs, outputs;
    for (TensorId t : n.inputs) inputs.push_back(t ? &g.tensors[t].shape : nullptr);
    for (TensorId t : n.outputs) outputs.push_back(t ? &g.tensors[t].shape : nullptr);
    graph::factors_of(def, attrs, def.operands(attrs), inputs, outputs, where);
  };
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (g.nodes[i].body.empty()) check(g.nodes[i], graph::where(g, i));
    for (const Node& part : body_of(g.nodes[i])) check(part, graph::where(g, i));
  }
  return g;
}

}  // namespace corral::partition
