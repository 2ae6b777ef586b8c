// From the whole model's graph to one rank's. With one rank it is the identity.
#pragma once

#include "corral/graph.h"
#include "kernel/graph/op.h"

namespace corral::passes {

// Do the axes of an operation describe these operands? Every letter of a shape is named, an axis has one extent or whole multiples of it
// (heads, and features in heads), `...` is the same everywhere, outputs have no axis of their own. Null: absent. Throws naming operation,
// operand and axis.
void check_axes(const graph::OpDef& def, const graph::Operands& operands, const std::vector<const Shape*>& inputs,
                const std::vector<const Shape*>& outputs, const std::string& where);

// Checks the axes of every node: what cannot be cut for many ranks is found on one.
Graph partition(Graph g);

}  // namespace corral::passes
