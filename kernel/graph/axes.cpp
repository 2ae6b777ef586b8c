#include "kernel/graph/axes.h"

#include <algorithm>

#include "corral/error.h"

namespace corral::graph {
namespace {

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> result;
  for (size_t from = 0; from < text.size();) {
    const size_t begin = text.find_first_not_of(at, from);
    if (begin == std::string_view::npos) break;
    const size_t end = std::min(text.find(at, begin), text.size());
    result.emplace_back(text.substr(begin, end - begin));
    from = end;
  }
  return result;
}

void parse_side(std::string_view side, std::vector<std::string>& names, std::vector<std::vector<std::string>>& axes,
                std::vector<bool>& optional) {
  for (const std::string& operand : split(side, ',')) {
    const size_t colon = operand.find(':');
    const std::vector<std::string> name = words(operand.substr(0, colon));
    if (colon == std::string::npos || name.size() != 1) fail_bug("malformed axes at \"{}\"", operand);
    const bool may_miss = name[0].back() == '?';
    names.push_back(may_miss ? name[0].substr(0, name[0].size() - 1) : name[0]);
    optional.push_back(may_miss);
    axes.push_back(words(operand.substr(colon + 1)));
  }
}

}  // namespace

std::vector<std::string> factors_of(std::string_view axis) { return split(axis, '*'); }

std::vector<std::string> words(std::string_view text) { return split(text, ' '); }

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

std::vector<std::string> cut_factors(const std::vector<std::string>& axes, size_t rank) {
  std::vector<std::string> names = axis_names(axes, rank);
  for (std::string& axis : names) axis = factors_of(axis)[0];
  return names;
}

Operands parse_axes(std::string_view text) {
  const size_t arrow = text.find("->");
  if (arrow == std::string_view::npos) fail_bug("axes without an arrow: \"{}\"", text);
  Operands o;
  parse_side(text.substr(0, arrow), o.inputs, o.input_axes, o.optional);
  parse_side(text.substr(arrow + 2), o.outputs, o.output_axes, o.optional_outputs);
  return o;
}

}  // namespace corral::graph
