#include "kernel/partition/axes.h"

namespace corral::partition {

std::vector<std::string> axis_names(const std::vector<std::string>& axes, size_t rank) {
  std::vector<std::string> names;
  for (const std::string& axis : axes) {
    if (axis != "...")
      names.push_back(axis);
    else
      for (size_t i = 0; i + axes.size() < rank + 1; ++i) names.push_back("..." + std::to_string(i));
  }
  return names;
}

}  // namespace corral::partition
