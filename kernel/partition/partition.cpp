#include "kernel/partition/partition.h"

#include "kernel/graph/factors.h"
#include "kernel/graph/verify.h"

namespace corral::partition {

namespace {

void check_axes(const Graph& g) {
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
}

}  // namespace

OneRank partition(Graph g, std::span<const Dimension> mesh, std::span<const TensorCut> cuts) {
  check_axes(g);
  OneRank one{std::move(g), {}};
  for (const Dimension& d : mesh) {
    if (d.ranks == 1) continue;
    std::vector<AskedCut> asked;
    for (const TensorCut& c : cuts)
      if (c.dimension == d.name) asked.push_back({c.tensor, c.axis, c.zigzag ? Order::ZIGZAG : Order::CONTIGUOUS});
    OneRank part = cut(std::move(one.graph), d, asked);
    one.graph = std::move(part.graph);
    one.firsts.insert(one.firsts.end(), part.firsts.begin(), part.firsts.end());
  }
  return one;
}

}  // namespace corral::partition
