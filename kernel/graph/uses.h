// The writers and the readers of each tensor of a graph.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "corral/graph.h"

namespace corral::graph {

// Nodes by number, as they are in the graph at construction. A node with a body counts as one: tensors inside its body have no uses.
class Uses {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  explicit Uses(const Graph& g) : writers_(g, &Node::outputs), readers_(g, &Node::inputs) {}

  // In the order of the nodes. A node that updates a tensor in place is among both.
  std::span<const uint32_t> writers(TensorId t) const { return writers_.of(t); }
  std::span<const uint32_t> readers(TensorId t) const { return readers_.of(t); }

  // The last node before node `end` that writes the tensor.
  size_t last_writer(TensorId t, size_t end = kNone) const;

  // The first and last node that writes or reads the tensor.
  size_t first(TensorId t) const;
  size_t last(TensorId t) const;

 private:
  // The nodes of all tensors one after the other; those of tensor t begin at starts[t].
  struct Table {
    Table(const Graph& g, std::vector<TensorId> Node::*operands);
    std::span<const uint32_t> of(TensorId t) const { return {nodes.data() + starts[t], starts[t + 1] - starts[t]}; }
    std::vector<uint32_t> starts, nodes;
  };
  Table writers_, readers_;
};

}  // namespace corral::graph
