#include "kernel/partition/axes.h"

#include <algorithm>
#include <map>

#include "kernel/graph/print.h"

namespace corral::partition {
namespace {

// Axes of a fixed extent, which no mesh cuts.
constexpr std::pair<std::string_view, int64_t> kFixed[] = {{"one", 1}, {"two", 2}};

class AxisCheck {
 public:
  AxisCheck(const graph::OpDef& def, const std::string& where) : def_(def), where_(where) {}

  void operand(const std::string& name, const std::vector<std::string>& axes, const Shape& shape, bool output) {
    const auto rest = std::find(axes.begin(), axes.end(), "...");
    const bool any_rank = rest != axes.end();
    const size_t named = axes.size() - (any_rank ? 1 : 0);
    if (any_rank ? shape.size() < named : shape.size() != named)
      fail_bug("{}: {} {} has not the axes \"{}\"", where_, name, graph::shape_text(shape), text(axes));
    const auto before = static_cast<size_t>(rest - axes.begin());
    size_t at = 0;
    for (size_t i = 0; i < axes.size(); ++i) {
      if (i == before) {
        const size_t count = shape.size() - named;
        leading(name, Shape(shape.begin() + static_cast<ptrdiff_t>(at), shape.begin() + static_cast<ptrdiff_t>(at + count)));
        at += count;
      } else {
        axis(name, axes[i], shape[at++], output);
      }
    }
  }

  // Axes that may not be cut must be axes of the operation.
  void whole() const {
    for (size_t at = 0; at < def_.whole.size();) {
      const size_t end = std::min(def_.whole.find(' ', at), def_.whole.size());
      const std::string name = def_.whole.substr(at, end - at);
      if (!extents_.contains(name)) fail_bug("{}: axis {} may not be cut, but no operand has it", where_, name);
      at = end + 1;
    }
  }

 private:
  void axis(const std::string& operand, const std::string& name, int64_t extent, bool output) {
    for (const auto& [fixed, expected] : kFixed)
      if (name == fixed) {
        if (extent != expected) fail_bug("{}: {} has {} where its axes say {}", where_, operand, extent, expected);
        return;
      }
    const auto [it, added] = extents_.emplace(name, extent);
    if (added && output) fail_bug("{}: axis {} of output {} is in no input", where_, name, operand);
    const auto [small, large] = std::minmax(it->second, extent);
    if (small != large && (small == 0 || large % small != 0))
      fail_bug("{}: axis {} is {} long in {} and {} in another operand", where_, name, extent, operand, it->second);
  }

  void leading(const std::string& operand, const Shape& shape) {
    if (!has_leading_) leading_ = shape;
    has_leading_ = true;
    if (def_.cuts ? shape.size() != leading_.size() : shape != leading_)
      fail_bug("{}: {} has other leading axes {} than {}", where_, operand, graph::shape_text(shape), graph::shape_text(leading_));
  }

  static std::string text(const std::vector<std::string>& axes) {
    std::string all;
    for (const std::string& a : axes) all += (all.empty() ? "" : " ") + a;
    return all;
  }

  const graph::OpDef& def_;
  const std::string& where_;
  std::map<std::string, int64_t> extents_;
  Shape leading_;
  bool has_leading_ = false;
};

}  // namespace

void check_axes(const graph::OpDef& def, const graph::Operands& operands, const std::vector<const Shape*>& inputs,
                const std::vector<const Shape*>& outputs, const std::string& where) {
  AxisCheck check(def, where);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) check.operand(operands.inputs[i], operands.input_axes[i], *inputs[i], false);
  for (size_t k = 0; k < outputs.size(); ++k)
    if (outputs[k]) check.operand(operands.outputs[k], operands.output_axes[k], *outputs[k], true);
  check.whole();
}

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
