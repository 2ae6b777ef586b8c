#include "kernel/passes/expand.h"

#include <algorithm>

namespace corral::passes {

Graph expand(Graph g, const std::function<bool(const Graph&, const Node&)>& chosen) {
  std::vector<Node> nodes;
  nodes.reserve(g.nodes.size());
  for (Node& n : g.nodes) {
    if (n.body.empty() || !chosen(g, n)) {
      nodes.push_back(std::move(n));
      continue;
    }
    for (Node& part : body_of(n)) nodes.push_back(std::move(part));
  }
  g.nodes = std::move(nodes);
  return g;
}

Graph expand_around(Graph g, std::initializer_list<std::string_view> ops) {
  return expand(std::move(g), [&](const Graph& of, const Node& n) {
    return std::any_of(n.body.begin(), n.body.end(),
                       [&](const BodyNode& part) { return std::find(ops.begin(), ops.end(), of.names[part.op]) != ops.end(); });
  });
}

}  // namespace corral::passes
