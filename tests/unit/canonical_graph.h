// For tests: equality of graphs that may number their names differently.
#pragma once

#include <string>

#include "corral/graph.h"

namespace corral {

// The bytes of the graph with its names numbered in the order of their uses.
inline std::string canonical(const Graph& g) {
  Graph c = g;
  c.names.clear();
  GraphBuilder b(c);
  const auto again = [&](uint32_t& name) { name = b.name(g.names.at(name)); };
  const auto operation = [&](auto& n) {
    again(n.op);
    for (Attribute& a : n.attributes) again(a.name);
  };
  for (Tensor& t : c.tensors) {
    again(t.name);
    for (Cut& cut : t.layout.cuts) again(cut.mesh);
    for (Owed& owed : t.layout.owes) again(owed.mesh);
  }
  for (State& s : c.states) again(s.saved_name);
  for (auto* ports : {&c.inputs, &c.outputs})
    for (Port& p : *ports) again(p.name);
  for (Node& n : c.nodes) {
    operation(n);
    again(n.scope);
    for (BodyNode& part : n.body) operation(part);
  }
  return c.encode();
}

}  // namespace corral
