#include "kernel/passes/texts.h"

#include <algorithm>

#include "kernel/graph/op.h"

namespace corral::passes {

Graph tell_texts(Graph g, int64_t texts) {
  if (texts == 0) return g;
  Attribute told = attribute(texts);
  told.name = GraphBuilder(g).name("texts");
  const auto tell = [&](auto& n) {
    const graph::OpDef* def = graph::try_op(g.names[n.op]);
    if (!def || std::none_of(def->attrs.begin(), def->attrs.end(), [](const graph::AttrDef& a) { return a.name == "texts"; })) return;
    std::erase_if(n.attributes, [&](const Attribute& a) { return a.name == told.name; });
    n.attributes.push_back(told);
  };
  for (Node& n : g.nodes) {
    tell(n);
    for (BodyNode& part : n.body) tell(part);
  }
  return g;
}

}  // namespace corral::passes
