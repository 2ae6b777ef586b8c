#include "kernel/passes/generation.h"

#include "corral/error.h"
#include "kernel/passes/eliminate.h"
#include "kernel/passes/expand.h"

namespace corral::passes {
namespace {

// Replaces linear_lse by the product itself, for all token positions or for the one that `last` selects.
void replace_loss(Graph& g, bool last_only) {
  for (size_t i = 0; i < g.nodes.size(); ++i) {
    if (op_of(g, g.nodes[i]) != "linear_lse") continue;
    const Node loss = g.nodes[i];
    g.nodes.resize(i);
    g.outputs.clear();
    GraphBuilder b(g);
    b.scope = g.names[loss.scope];
    TensorId x = loss.inputs[0];
    const TensorId w = loss.inputs[1];
    Shape shape = g.tensors[x].shape;
    if (last_only) {
      shape[1] = 1;
      const TensorId last = b.input("last", DType::I32, {shape[0]}), selected = b.tensor(b.scope + ".last", g.tensors[x].dtype, shape);
      b.node("select_rows", {x, last}, {selected});
      x = selected;
    }
    shape.back() = g.tensors[w].shape[0];
    const TensorId logits = b.tensor("logits", DType::F32, shape);
    b.node("product", {x, w}, {logits}, {{"role", attribute(std::string("fprop"))}});
    b.output("logits", logits);
    return;
  }
  fail_bug("generation: the graph has no linear_lse");
}

}  // namespace

Graph without_dropout(Graph g) {
  g = expand_around(std::move(g), {"dropout"});
  std::vector<TensorId> stands_for(g.tensors.size());
  for (TensorId t = 0; t < stands_for.size(); ++t) stands_for[t] = t;
  std::vector<Node> kept;
  for (Node& n : g.nodes) {
    for (TensorId& t : n.inputs) t = stands_for[t];
    for (BodyNode& part : n.body)
      for (TensorId& t : part.inputs) t = stands_for[t];
    if (op_of(g, n) == "dropout")
      stands_for[n.outputs[0]] = n.inputs[0];
    else
      kept.push_back(std::move(n));
  }
  g.nodes = std::move(kept);
  return g;
}

Graph logits_of_all(Graph g) {
  g = expand_around(std::move(g), {"linear_lse"});
  replace_loss(g, false);
  return eliminate(std::move(g), true);
}

Graph generation(Graph g, int64_t cache_length) {
  g = expand_around(std::move(g), {"linear_lse", "attention"});
  replace_loss(g, true);
  const TensorId positions = find_port(g, g.inputs, "positions");
  const std::vector<Node> nodes = std::move(g.nodes);
  g.nodes.clear();
  GraphBuilder b(g);
  // Adds a state that contains `x` of each token position so far.
  const auto cached = [&](TensorId x, const char* name) {
    const Shape shape = g.tensors[x].shape;
    State s;
    s.kind = StateKind::CACHE;
    const TensorId cache = b.state("cache." + std::string(name) + "." + b.scope, DType::F32, {shape[0], cache_length, shape[2]}, s);
    b.node("write_cache", {x, positions, cache}, {cache});
    return cache;
  };
  for (Node n : nodes) {
    if (op_of(g, n) == "attention") {
      b.scope = g.names[n.scope];
      // The cache contains the key of each token position at its position: it sees all up to its own, and padding sees none.
      n.inputs = {n.inputs[0], cached(n.inputs[1], "key"), cached(n.inputs[2], "value"), n.inputs[3], positions};
      n.outputs = {n.outputs[0]};
      std::erase_if(n.attributes, [&](const Attribute& a) { return g.names[a.name] == "texts"; });  // it describes the data of training
    }
    g.nodes.push_back(std::move(n));
  }
  return eliminate(std::move(g), true);
}

}  // namespace corral::passes
