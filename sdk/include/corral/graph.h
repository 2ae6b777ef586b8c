// Building and editing graphs: names, tensors, nodes and states by number.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "graph.wire.h"

namespace corral {

using TensorId = uint32_t;  // 0: absent
using Shape = std::vector<int64_t>;

inline int64_t elements(const Shape& shape) {
  int64_t n = 1;
  for (int64_t d : shape) n *= d;
  return n;
}

// Bytes of `count` elements; E2M1 packs two into one.
inline uint64_t bytes_of(DType dtype, int64_t count) {
  switch (dtype) {
    case DType::F64:
    case DType::I64:
      return static_cast<uint64_t>(count) * 8;
    case DType::F32:
    case DType::I32:
      return static_cast<uint64_t>(count) * 4;
    case DType::BF16:
    case DType::F16:
      return static_cast<uint64_t>(count) * 2;
    case DType::F4_E2M1:
      return static_cast<uint64_t>(count + 1) / 2;
    case DType::DTYPE_NONE:
      return 0;
    default:
      return static_cast<uint64_t>(count);
  }
}

inline Attribute attribute(int64_t value) {
  Attribute a;
  a.integer = value;
  return a;
}
inline Attribute attribute(double value) {
  Attribute a;
  a.number = value;
  return a;
}
inline Attribute attribute(std::string value) {
  Attribute a;
  a.text = std::move(value);
  return a;
}
inline Attribute attribute(std::vector<double> values) {
  Attribute a;
  a.numbers = std::move(values);
  return a;
}

struct NamedAttribute {
  std::string name;
  Attribute value;
};

// Adds to a graph. Interns names; appends nodes in the current scope and phase. Holds a reference: the graph must outlive it.
class GraphBuilder {
 public:
  explicit GraphBuilder(Graph& graph) : g(graph) {
    if (g.names.empty()) g.names.emplace_back();
    if (g.tensors.empty()) g.tensors.emplace_back();
    for (uint32_t i = 0; i < g.names.size(); ++i) index_.emplace(g.names[i], i);
  }

  uint32_t name(std::string_view text) {
    const auto [it, added] = index_.emplace(std::string(text), static_cast<uint32_t>(g.names.size()));
    if (added) g.names.emplace_back(text);
    return it->second;
  }

  TensorId tensor(std::string_view text, DType dtype, Shape shape) {
    Tensor t;
    t.name = name(text);
    t.dtype = dtype;
    t.shape = std::move(shape);
    g.tensors.push_back(std::move(t));
    return static_cast<TensorId>(g.tensors.size() - 1);
  }

  TensorId input(std::string_view text, DType dtype, Shape shape) {
    const TensorId id = tensor(text, dtype, std::move(shape));
    g.inputs.push_back(port(text, id));
    return id;
  }

  void output(std::string_view text, TensorId id) { g.outputs.push_back(port(text, id)); }

  // A state over a new tensor.
  TensorId state(std::string_view text, DType dtype, Shape shape, State s) {
    s.tensor = tensor(text, dtype, std::move(shape));
    g.states.push_back(std::move(s));
    return g.states.back().tensor;
  }

  // A node over existing tensors, at the end.
  Node& node(std::string_view op, std::vector<TensorId> inputs, std::vector<TensorId> outputs,
             std::vector<NamedAttribute> attributes = {}) {
    Node n;
    n.op = name(op);
    n.inputs = std::move(inputs);
    n.outputs = std::move(outputs);
    for (NamedAttribute& a : attributes) {
      a.value.name = name(a.name);
      n.attributes.push_back(std::move(a.value));
    }
    n.scope = name(scope);
    n.phase = phase;
    g.nodes.push_back(std::move(n));
    return g.nodes.back();
  }

  // Makes the nodes from number `first` on the body of one node, which takes their place: the fused form of known operations, or an
  // operation of one's own, whose name holds a dot. `inputs` is all that the body reads of the graph, `outputs` what it gives to it. What
  // the node means follows from its body; a device that does not know its name runs the body.
  Node& fuse(size_t first, std::string_view op, std::vector<TensorId> inputs, std::vector<TensorId> outputs,
             std::vector<NamedAttribute> attributes = {}) {
    std::vector<BodyNode> body;
    for (size_t i = first; i < g.nodes.size(); ++i) {
      Node& n = g.nodes[i];
      BodyNode part;
      part.op = n.op;
      part.inputs = std::move(n.inputs);
      part.outputs = std::move(n.outputs);
      part.attributes = std::move(n.attributes);
      part.accumulate = n.accumulate;
      body.push_back(std::move(part));
    }
    g.nodes.resize(first);
    Node& fused = node(op, std::move(inputs), std::move(outputs), std::move(attributes));
    fused.body = std::move(body);
    return fused;
  }

  Graph& g;
  std::string scope;
  Phase phase = Phase::FORWARD;

 private:
  Port port(std::string_view text, TensorId id) {
    Port p;
    p.name = name(text);
    p.tensor = id;
    return p;
  }
  std::unordered_map<std::string, uint32_t> index_;
};

inline const std::string& name_of(const Graph& g, TensorId id) { return g.names[g.tensors[id].name]; }
inline const std::string& op_of(const Graph& g, const Node& n) { return g.names[n.op]; }

// The parts of a node's body as nodes in its place; none for an operation of the kernel.
inline std::vector<Node> body_of(const Node& n) {
  std::vector<Node> nodes;
  for (const BodyNode& part : n.body) {
    Node& inner = nodes.emplace_back();
    inner.op = part.op;
    inner.inputs = part.inputs;
    inner.outputs = part.outputs;
    inner.attributes = part.attributes;
    inner.accumulate = part.accumulate;
    inner.scope = n.scope;
    inner.phase = n.phase;
    inner.when = n.when;
  }
  return nodes;
}

inline const Attribute* find_attribute(const Graph& g, const Node& n, std::string_view name) {
  for (const Attribute& a : n.attributes)
    if (g.names[a.name] == name) return &a;
  return nullptr;
}

// Elements that a member takes in its group.
inline int64_t group_elements(const Graph& g, TensorId member) { return (elements(g.tensors[member].shape) + 63) / 64 * 64; }

// The tensor of a port by its name; 0 where there is none.
inline TensorId find_port(const Graph& g, const std::vector<Port>& ports, std::string_view name) {
  for (const Port& p : ports)
    if (g.names[p.name] == name) return p.tensor;
  return 0;
}

// The tensor of a state by its name; 0 where there is none.
inline TensorId find_state(const Graph& g, std::string_view name) {
  for (const State& s : g.states)
    if (name_of(g, s.tensor) == name) return s.tensor;
  return 0;
}

}  // namespace corral
