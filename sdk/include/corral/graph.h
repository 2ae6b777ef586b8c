// Builds and edits graphs; names, tensors, nodes and states are referred to by number.
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

// Bytes of `count` elements. Two E2M1 elements share a byte.
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

// Adds names, tensors, states and nodes to a graph; nodes get the current `scope` and `phase`. The graph must outlive the builder.
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

  // Adds a state with a new tensor, and returns the tensor.
  TensorId state(std::string_view text, DType dtype, Shape shape, State s) {
    s.tensor = tensor(text, dtype, std::move(shape));
    g.states.push_back(std::move(s));
    return g.states.back().tensor;
  }

  // Appends a node over existing tensors.
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

  // Replaces the nodes from number `first` on by one node with these nodes as its body. Such a node is a fused form of known operations, or
  // a plugin's own operation, whose name contains a dot. The body defines the node: a device that does not know its name runs the body.
  // `inputs` are all tensors of the graph that the body reads, `outputs` the tensors that it writes for the rest of the graph.
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

// Returns the body of a node as nodes that can replace it; empty for an operation of the kernel.
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

// Elements of a member in its group, padding included.
inline int64_t group_elements(const Graph& g, TensorId member) { return (elements(g.tensors[member].shape) + 63) / 64 * 64; }

// The tensor of the port with this name; 0 if there is none.
inline TensorId find_port(const Graph& g, const std::vector<Port>& ports, std::string_view name) {
  for (const Port& p : ports)
    if (g.names[p.name] == name) return p.tensor;
  return 0;
}

// The tensor of the state with this name; 0 if there is none.
inline TensorId find_state(const Graph& g, std::string_view name) {
  for (const State& s : g.states)
    if (name_of(g, s.tensor) == name) return s.tensor;
  return 0;
}

}  // namespace corral
