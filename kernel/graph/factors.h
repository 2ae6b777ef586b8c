// The axes of an operation on operands of given shapes: the extent of every factor, solved from the shapes.
#pragma once

#include <string>
#include <vector>

#include "kernel/graph/op.h"

namespace corral::graph {

// A part of an axis that operands share by its name. The leading axes are "...0", "...1", from the left.
struct Factor {
  std::string name;
  int64_t extent = 0;
  bool operator==(const Factor&) const = default;
};
// The factors of one tensor by axis. An axis has one factor, or several with the outermost first.
using ShapeFactors = std::vector<std::vector<Factor>>;

struct CallFactors {
  std::vector<ShapeFactors> inputs, outputs;  // empty where an operand is absent
};

// Solves the factors. A null shape is an absent operand. Throws naming operation, operand and axis if the axes do not describe these
// shapes: every axis of a shape is named, a factor has one extent, "..." is the same everywhere, and outputs have no factor of their own.
CallFactors factors_of(const OpDef& def, const Attrs& attrs, const Operands& operands, const std::vector<const Shape*>& inputs,
                       const std::vector<const Shape*>& outputs, const std::string& where);

// True if ranks may have parts of this factor. False if the definition keeps it whole, or if its extent is a number or an attribute.
bool may_cut(const OpDef& def, const std::string& factor);

}  // namespace corral::graph
