// The axes of an operand by name.
#pragma once

#include <string>
#include <vector>

namespace corral::partition {

// The name of each axis of an operand of so many axes: letters as they are, leading axes "...0", "...1" and so on.
std::vector<std::string> axis_names(const std::vector<std::string>& axes, size_t rank);

}  // namespace corral::partition
