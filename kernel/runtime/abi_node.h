// A node in the form of the C ABI.
#pragma once

#include <string>
#include <vector>

#include "corral/abi.h"
#include "corral/graph.h"
#include "kernel/graph/op.h"

namespace corral::runtime {

// The arrays of the node live as long as this object and the graph.
class AbiNode {
 public:
  AbiNode(const Graph& g, const Node& n);
  AbiNode(const AbiNode&) = delete;
  AbiNode& operator=(const AbiNode&) = delete;
  const corral_node& get() const { return node_; }
  // Everything that a device sees of the node, as bytes: nodes with equal keys share one prepared kernel.
  std::string key() const;

 private:
  const corral_layout* layout(const Graph& g, TensorId t);
  static corral_attribute attribute(const Graph& g, const Attribute& a, const graph::OpDef* def);

  std::vector<corral_layout> layouts_;
  std::vector<const corral_layout*> inputs_, outputs_;
  std::vector<corral_attribute> attributes_;
  std::vector<const corral_attribute*> attribute_pointers_;
  corral_node node_{};
};

}  // namespace corral::runtime
