// Which axes of an operation its operands have.
#pragma once

#include "corral/graph.h"
#include "kernel/graph/op.h"

namespace corral::partition {

// Do the axes of an operation describe these operands? Every letter of a shape is named, an axis has one extent or whole multiples of it
// (heads, and features in heads), `...` is the same everywhere, outputs have no axis of their own. Null: absent. Throws naming operation,
// operand and axis.
void check_axes(const graph::OpDef& def, const graph::Operands& operands, const std::vector<const Shape*>& inputs,
                const std::vector<const Shape*>& outputs, const std::string& where);

// The name of each axis of an operand of so many axes: letters as they are, leading axes "...0", "...1" and so on.
std::vector<std::string> axis_names(const std::vector<std::string>& axes, size_t rank);

}  // namespace corral::partition
