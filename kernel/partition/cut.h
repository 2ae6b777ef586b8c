// Cuts a graph over one dimension of the mesh: from what all its ranks compute together to what one of them computes.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "corral/graph.h"

namespace corral::partition {

// The dimension and the place of a rank in it.
struct Dimension {
  std::string name;
  uint32_t ranks = 1, rank = 0;
};

// A cut that is asked for: of an input or a state from the start, of any other tensor as soon as it is written.
struct AskedCut {
  TensorId tensor = 0;
  uint32_t axis = 0;
  Order order = Order::CONTIGUOUS;
};

struct OneRank {
  Graph graph;
  // States I64 [1] that the partition added, and their values: the first id or feature that the rank has.
  std::vector<std::pair<TensorId, int64_t>> firsts;
};

// Decides node by node, with no search:
//   (i)   an axis that is cut in an operand is cut in all that have it, and in the outputs that have it;
//   (ii)  an output that lacks the axis is partial;
//   (iii) where operands are cut along different axes, or along one that the operation needs whole, the activation is converted and the
//         weight, its gradient and its optimizer state stay as they are;
//   (iv)  a partial sum passes through add, scale, cast, product and conversions only;
//   (v)   any other reader converts it to the layout that its other operands have: the gradient of an activation takes that activation's.
// Tensors of the graph keep their numbers. Throws Error naming operation and operand where a cut cannot be made.
OneRank cut(Graph g, const Dimension& dimension, std::span<const AskedCut> asked);

}  // namespace corral::partition
