// The axes of an operation as its definition writes them: "x: ... h*d, w?: d -> y: ... h*d".
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corral::graph {

// Operand names and order of a node, as its axes name them. An axis, such as "h*d", is a product of factors, outermost first. A factor is a
// letter; "one", "two" or a number, which are its extent; or the name of an integer attribute, which has its extent. "..." alone is any
// number of leading axes.
struct Operands {
  std::vector<std::string> inputs, outputs;
  std::vector<std::vector<std::string>> input_axes, output_axes;
  std::vector<bool> optional;          // inputs that may be absent
  std::vector<bool> optional_outputs;  // outputs that may be absent; an absent one is not computed
};

// The factors of an axis.
std::vector<std::string> factors_of(std::string_view axis);

// The words of a list that blanks separate.
std::vector<std::string> words(std::string_view text);

// The axes of an operand that has `rank` of them; the leading ones are named "...0", "...1" and so on.
std::vector<std::string> axis_names(const std::vector<std::string>& axes, size_t rank);

// The same, where each axis is named by its outermost factor: a cut of the axis is a cut of this factor.
std::vector<std::string> cut_factors(const std::vector<std::string>& axes, size_t rank);

// Throws a bug if the text is malformed.
Operands parse_axes(std::string_view axes);

// Axes by the value of the attribute `role`; "" where the operation has no role. Parsed once, when the definition is made.
class AxesOfRoles {
 public:
  AxesOfRoles(std::initializer_list<std::pair<std::string_view, std::string_view>> roles) {
    for (const auto& [role, axes] : roles) roles_.emplace_back(role, parse_axes(axes));
  }
  auto begin() const { return roles_.begin(); }
  auto end() const { return roles_.end(); }
  // Null if there is no such role.
  const Operands* find(std::string_view role) const {
    for (const auto& [name, operands] : roles_)
      if (name == role) return &operands;
    return nullptr;
  }

 private:
  std::vector<std::pair<std::string, Operands>> roles_;
};

}  // namespace corral::graph
