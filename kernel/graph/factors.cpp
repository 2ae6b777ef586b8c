#include "kernel/graph/factors.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "kernel/graph/print.h"

namespace corral::graph {
namespace {

bool is_number(const std::string& name) { return name.find_first_not_of("0123456789") == std::string::npos; }

const AttrDef* attribute_of(const OpDef& def, const std::string& factor) {
  for (const AttrDef& a : def.attrs)
    if (a.name == factor && a.kind == AttrKind::kInteger) return &a;
  return nullptr;
}

std::string text(const std::vector<std::string>& axes) {
  std::string all;
  for (const std::string& axis : axes) all += (all.empty() ? "" : " ") + axis;
  return all;
}

class Solver {
 public:
  Solver(const OpDef& def, const Attrs& attrs, const std::string& where) : def_(def), attrs_(attrs), where_(where) {}

  void add(const std::string& operand, const std::vector<std::string>& axes, const Shape& shape, bool output) {
    const auto rest = std::find(axes.begin(), axes.end(), "...");
    const bool any_rank = rest != axes.end();
    const size_t named = axes.size() - (any_rank ? 1 : 0);
    if (any_rank ? shape.size() < named : shape.size() != named)
      fail_bug("{}: {} {} does not have the axes \"{}\"", where_, operand, shape_text(shape), text(axes));
    const auto before = static_cast<size_t>(rest - axes.begin()), leading = shape.size() - named;
    if (any_rank)
      same_leading(operand,
                   Shape(shape.begin() + static_cast<ptrdiff_t>(before), shape.begin() + static_cast<ptrdiff_t>(before + leading)));
    const std::vector<std::string> names = axis_names(axes, shape.size());
    std::vector<std::vector<std::string>>& factors = operands_.emplace_back();
    for (size_t i = 0; i < names.size(); ++i) {
      factors.push_back(factors_of(names[i]));
      axes_.push_back({operand, names[i], factors.back(), shape[i], output});
    }
  }

  // An axis with one unknown factor gives that factor; repeats until none is left. Then every axis is the product of its factors.
  void solve() {
    for (bool found = true; found;) {
      found = false;
      for (const OneAxis& a : axes_) found = (!a.output && solve(a)) || found;
    }
    for (const OneAxis& a : axes_)
      if (a.output) solve(a);
    for (const OneAxis& a : axes_) check(a);
    for (const std::string& name : words(def_.whole))
      if (!extents_.contains(name)) fail_bug("{}: axis {} may not be cut, but no operand has it", where_, name);
  }

  ShapeFactors result(size_t operand, const Shape& shape) const {
    ShapeFactors result;
    for (size_t i = 0; i < shape.size(); ++i) {
      result.emplace_back();
      const std::vector<std::string>& axis = operands_[operand][i];
      // The leading axes of a conversion differ between its operands.
      for (const std::string& factor : axis) result.back().push_back({factor, axis.size() == 1 ? shape[i] : *extent(factor)});
    }
    return result;
  }

 private:
  struct OneAxis {
    std::string operand, text;
    std::vector<std::string> factors;
    int64_t extent;
    bool output;
  };

  // Null if it is not known yet.
  const int64_t* extent(const std::string& factor) const {
    if (const auto known = extents_.find(factor); known != extents_.end()) return &known->second.extent;
    if (factor == "one" || factor == "two") return &extents_.emplace(factor, Known{factor == "one" ? 1 : 2, ""}).first->second.extent;
    if (is_number(factor)) return &extents_.emplace(factor, Known{std::atoll(factor.c_str()), ""}).first->second.extent;
    if (const AttrDef* a = attribute_of(def_, factor)) {
      auto value = static_cast<int64_t>(a->otherwise);
      for (const NamedAttribute& given : attrs_)
        if (given.name == factor) value = given.value.integer;
      return &extents_.emplace(factor, Known{value, ""}).first->second.extent;
    }
    return nullptr;
  }

  bool solve(const OneAxis& a) {
    const std::string* unknown = nullptr;
    int64_t known = 1;
    for (const std::string& factor : a.factors) {
      const int64_t* e = extent(factor);
      if (!e && unknown) return false;
      if (e)
        known *= *e;
      else
        unknown = &factor;
    }
    if (!unknown) return false;
    if (a.output) fail_bug("{}: axis {} of output {} is in no input", where_, *unknown, a.operand);
    if (known <= 0 || a.extent % known != 0)
      fail_bug("{}: axis {} of {} is {} long, not a multiple of {}", where_, a.text, a.operand, a.extent, known);
    extents_.emplace(*unknown, Known{a.extent / known, a.operand});
    return true;
  }

  void check(const OneAxis& a) const {
    int64_t product = 1;
    for (const std::string& factor : a.factors) {
      const int64_t* e = extent(factor);
      if (!e) fail_bug("{}: the factors of axis {} of {} cannot be told apart", where_, a.text, a.operand);
      product *= *e;
    }
    if (product == a.extent || (def_.cuts && a.factors[0].starts_with("..."))) return;
    if (const std::string& first = a.factors[0]; a.factors.size() == 1 && !extents_.at(first).operand.empty())
      fail_bug("{}: axis {} is {} long in {} and {} in another operand", where_, first, a.extent, a.operand, product);
    fail_bug("{}: {} has {} where its axes say {}", where_, a.operand, a.extent, a.factors.size() == 1 ? std::to_string(product) : a.text);
  }

  void same_leading(const std::string& operand, const Shape& shape) {
    if (!has_leading_) leading_ = shape;
    has_leading_ = true;
    if (def_.cuts ? shape.size() != leading_.size() : shape != leading_)
      fail_bug("{}: {} has the leading axes {}, expected {}", where_, operand, shape_text(shape), shape_text(leading_));
  }

  struct Known {
    int64_t extent;
    std::string operand;  // that it was first found in; "" for a number or an attribute
  };
  const OpDef& def_;
  const Attrs& attrs_;
  const std::string& where_;
  std::vector<OneAxis> axes_;
  std::vector<std::vector<std::vector<std::string>>> operands_;
  mutable std::map<std::string, Known> extents_;
  Shape leading_;
  bool has_leading_ = false;
};

}  // namespace

CallFactors factors_of(const OpDef& def, const Attrs& attrs, const Operands& operands, const std::vector<const Shape*>& inputs,
                       const std::vector<const Shape*>& outputs, const std::string& where) {
  Solver solver(def, attrs, where);
  for (size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i]) solver.add(operands.inputs[i], operands.input_axes[i], *inputs[i], false);
  for (size_t k = 0; k < outputs.size(); ++k)
    if (outputs[k]) solver.add(operands.outputs[k], operands.output_axes[k], *outputs[k], true);
  solver.solve();
  CallFactors result;
  size_t next = 0;
  for (const Shape* s : inputs) result.inputs.push_back(s ? solver.result(next++, *s) : ShapeFactors());
  for (const Shape* s : outputs) result.outputs.push_back(s ? solver.result(next++, *s) : ShapeFactors());
  return result;
}

bool may_cut(const OpDef& def, const std::string& factor) {
  const bool fixed = factor == "one" || factor == "two" || is_number(factor) || attribute_of(def, factor);
  const std::vector<std::string> whole = words(def.whole);
  return !fixed && std::find(whole.begin(), whole.end(), factor) == whole.end();
}

}  // namespace corral::graph
