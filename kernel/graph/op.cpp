#include "kernel/graph/op.h"

#include <algorithm>
#include <map>

#include "kernel/graph/low_precision.h"
#include "kernel/graph/print.h"

namespace corral::graph {

extern const OpDef* const kOpTable[];
extern const size_t kOpCount;

namespace {

const std::string kNoRole;

const std::string& role_of(const Attrs& attrs) {
  for (const NamedAttribute& a : attrs)
    if (a.name == "role") return a.value.text;
  return kNoRole;
}

}  // namespace

const Operands& OpDef::operands(std::string_view role) const {
  if (const Operands* known = axes.find(role)) return *known;
  std::string roles;
  for (const auto& [known, operands] : axes) roles += (roles.empty() ? "" : ", ") + known;
  fail("{}: role = \"{}\", expected one of: {}", name, role, roles.empty() ? "no role" : roles);
}

const Operands& OpDef::operands(const Attrs& attributes) const {
  return operands(axes.find("") ? std::string_view() : role_of(attributes));
}

const OpDef* try_op(std::string_view name) {
  static const std::map<std::string_view, const OpDef*> by_name = [] {
    std::map<std::string_view, const OpDef*> m;
    for (const OpDef* def : all_ops()) m.emplace(def->name, def);
    return m;
  }();
  const auto it = by_name.find(name);
  return it == by_name.end() ? nullptr : it->second;
}

const OpDef& find_op(std::string_view name, const std::string& where) {
  if (const OpDef* def = try_op(name)) return *def;
  std::vector<std::string> names;
  for (const OpDef* def : all_ops()) names.push_back(def->name);
  fail("{}no operation is named \"{}\"{}", where.empty() ? "" : where + ": ", name, did_you_mean(name, names));
}

std::span<const OpDef* const> all_ops() { return {kOpTable, kOpCount}; }

NodeCall::NodeCall(const OpDef& d, const Attrs& a, std::string w) : def(d), operands(d.operands(a)), attrs_(a), where_(std::move(w)) {}

size_t NodeCall::index(const std::vector<std::string>& names, std::string_view name) const {
  const auto it = std::find(names.begin(), names.end(), name);
  if (it == names.end()) fail_bug("{} has no operand \"{}\"", def.name, name);
  return static_cast<size_t>(it - names.begin());
}

const Attribute* NodeCall::find(std::string_view name) const {
  for (const NamedAttribute& a : attrs_)
    if (a.name == name) return &a.value;
  return nullptr;
}

const AttrDef& NodeCall::attr_def(std::string_view name) const {
  const auto it = std::find_if(def.attrs.begin(), def.attrs.end(), [&](const AttrDef& d) { return d.name == name; });
  if (it == def.attrs.end()) fail_bug("{} has no attribute \"{}\"", def.name, name);
  return *it;
}

double NodeCall::attr(std::string_view name) const {
  const AttrDef& d = attr_def(name);
  const Attribute* a = find(name);
  return a ? a->number : d.otherwise;
}

int64_t NodeCall::integer(std::string_view name) const {
  const AttrDef& d = attr_def(name);
  const Attribute* a = find(name);
  return a ? a->integer : static_cast<int64_t>(d.otherwise);
}

const std::string& NodeCall::text(std::string_view name) const {
  const Attribute* a = find(name);
  return a ? a->text : kNoRole;
}

const std::vector<double>& NodeCall::numbers(std::string_view name) const {
  static const std::vector<double> kNone;
  const Attribute* a = find(name);
  return a ? a->numbers : kNone;
}

const TensorType& ShapeCall::type(std::string_view name) const {
  const TensorType* t = inputs_[index(operands.inputs, name)];
  if (!t) fail("{}: operand {} is absent", where_, name);
  return *t;
}

void ShapeCall::require(bool good, std::string_view operand, std::string_view sentence) const {
  if (!good) fail("{}: {} {}: {}", where_, operand, shape_text((*this)[operand]), sentence);
}

GradCall::GradCall(const OpDef& d, const Attrs& a, std::string w, const Node& node, std::vector<TensorId> output_gradients,
                   std::vector<bool> needed, Emit emit)
    : NodeCall(d, a, std::move(w)),
      gradients(node.inputs.size()),
      node_(node),
      output_gradients_(std::move(output_gradients)),
      needed_(std::move(needed)),
      emit_(std::move(emit)) {}

NamedAttribute GradCall::same(std::string_view name) const {
  for (const NamedAttribute& a : attrs_)
    if (a.name == name) return a;
  for (const AttrDef& d : def.attrs)
    if (d.name == name) {
      NamedAttribute a{d.name, {}};
      if (d.kind == AttrKind::kInteger)
        a.value.integer = static_cast<int64_t>(d.otherwise);
      else
        a.value.number = d.otherwise;
      return a;
    }
  fail_bug("{} has no attribute \"{}\"", def.name, name);
}

const Shape& RefCall::shape(std::string_view name) const {
  const auto in = std::find(operands.inputs.begin(), operands.inputs.end(), name);
  if (in != operands.inputs.end()) return inputs_[static_cast<size_t>(in - operands.inputs.begin())]->shape;
  return outputs_[index(operands.outputs, name)]->shape;
}

bool takes(const OpDef& def, const std::string& operand, DType dtype) {
  if (const auto only = def.types.find(operand); only != def.types.end()) return dtype == only->second;
  const auto given = def.classes.find(operand);
  const TypeClass type_class = given == def.classes.end() ? TypeClass::kFloating : given->second;
  if (is_low_precision(dtype)) return type_class != TypeClass::kFloating;
  return type_class != TypeClass::kLow && (dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16 || dtype == DType::F64);
}

bool has_inferred_type(const OpDef& def, const std::string& output) {
  return def.exchange || def.types.contains(output) || def.classes.contains(output);
}

std::vector<TensorType> infer(const OpDef& def, const Attrs& attrs, const std::vector<const TensorType*>& inputs,
                              const std::string& where) {
  const Operands& o = def.operands(attrs);
  if (inputs.size() > o.inputs.size()) fail("{}: {} inputs, expected {}", where, inputs.size(), o.inputs.size());
  std::vector<const TensorType*> given = inputs;
  given.resize(o.inputs.size(), nullptr);
  for (size_t i = 0; i < given.size(); ++i)
    if (!given[i] && !o.optional[i]) fail("{}: input {} is absent", where, o.inputs[i]);
  for (size_t i = 0; i < given.size(); ++i)
    if (given[i] && !takes(def, o.inputs[i], given[i]->dtype))
      fail("{}: operand {} has the type {}", where, o.inputs[i], dtype_name(given[i]->dtype));
  return def.shape(ShapeCall(def, attrs, where, std::move(given)));
}

Attrs attributes_of(const Graph& g, const Node& n) {
  Attrs result;
  for (const Attribute& a : n.attributes) result.push_back({g.names[a.name], a});
  return result;
}

}  // namespace corral::graph
