#include "kernel/graph/interpreter.h"

#include <algorithm>

namespace corral::graph {

ReferenceRun::ReferenceRun(const OpDef& def, Attrs attrs, std::vector<TensorType> input_types, std::vector<std::vector<double>> inputs,
                           const std::vector<bool>& present)
    : def_(def), attrs_(std::move(attrs)), input_types_(std::move(input_types)), inputs_(std::move(inputs)), in_values_(inputs_.size()) {
  const Operands& operands = def.operands(attrs_);
  std::vector<const TensorType*> types;
  for (size_t i = 0; i < inputs_.size(); ++i) {
    types.push_back(present[i] ? &input_types_[i] : nullptr);
    in_values_[i] = {input_types_[i].shape, inputs_[i], input_types_[i].dtype};
    in_.push_back(present[i] ? &in_values_[i] : nullptr);
  }
  in_.resize(operands.inputs.size(), nullptr);
  const std::vector<TensorType> output_types = infer(def, attrs_, types, def.name);
  const auto written = [&](size_t k) {
    const auto updated = def.updates.find(operands.outputs[k]);
    if (updated == def.updates.end()) return true;
    const auto input = std::find(operands.inputs.begin(), operands.inputs.end(), updated->second);
    return in_[static_cast<size_t>(input - operands.inputs.begin())] != nullptr;
  };
  for (size_t k = 0; k < output_types.size(); ++k)
    outputs.emplace_back(written(k) ? static_cast<size_t>(elements(output_types[k].shape)) : 0);
  for (size_t k = 0; k < outputs.size(); ++k) out_values_.push_back({output_types[k].shape, outputs[k]});
  for (size_t k = 0; k < outputs.size(); ++k) out_.push_back(written(k) ? &out_values_[k] : nullptr);
}

RefCall ReferenceRun::call() { return RefCall(def_, attrs_, def_.name, in_, out_); }

RefCall ReferenceRun::call_rounded() {
  rounded.clear();
  for (const std::vector<double>& output : outputs) rounded.emplace_back(output.size());
  return RefCall(def_, attrs_, def_.name, in_, out_, {rounded.begin(), rounded.end()});
}

std::vector<std::vector<double>> run_reference(const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& input_types,
                                               std::vector<std::vector<double>> inputs, const std::vector<bool>& present,
                                               std::vector<std::vector<double>>* rounded) {
  ReferenceRun run(def, attrs, input_types, std::move(inputs), present);
  def.reference(rounded ? run.call_rounded() : run.call());
  if (rounded) *rounded = std::move(run.rounded);
  return std::move(run.outputs);
}

Interpreter::Interpreter(const Graph& g) : g_(g), values_(g.tensors.size()) {
  for (size_t i = 1; i < values_.size(); ++i) values_[i].resize(static_cast<size_t>(elements(g.tensors[i].shape)));
  for (const Group& group : g.groups) groups_.emplace(group.tensor, &group);
}

std::vector<double> Interpreter::value(TensorId t) const {
  const auto group = groups_.find(t);
  if (group == groups_.end()) return values_[t];
  std::vector<double> all;
  for (const TensorId member : group->second->members) {
    const size_t end = all.size() + static_cast<size_t>(group_elements(g_, member));
    all.insert(all.end(), values_[member].begin(), values_[member].end());
    all.resize(end);
  }
  return all;
}

void Interpreter::assign(TensorId t, const std::vector<double>& values) {
  const auto group = groups_.find(t);
  if (group == groups_.end()) {
    values_[t] = values;
    return;
  }
  auto from = values.begin();
  for (const TensorId member : group->second->members) {
    std::copy_n(from, values_[member].size(), values_[member].begin());
    from += group_elements(g_, member);
  }
}

std::vector<double>& Interpreter::named(std::string_view tensor_name) {
  for (size_t i = 1; i < values_.size(); ++i)
    if (g_.names[g_.tensors[i].name] == tensor_name) return values_[i];
  fail_bug("no tensor is named \"{}\"", tensor_name);
}

void Interpreter::run(const std::function<bool(const Node&)>& chosen) {
  for (const Node& n : g_.nodes) {
    if (!chosen(n)) continue;
    if (n.body.empty()) run_one(n);
    for (const Node& part : body_of(n)) run_one(part);
  }
}

void Interpreter::run_one(const Node& n) {
  ReferenceRun one = begin(n);
  find_op(op_of(g_, n)).reference(one.call());
  finish(n, one);
}

ReferenceRun Interpreter::begin(const Node& n) const {
  std::vector<TensorType> types;
  std::vector<std::vector<double>> inputs;
  std::vector<bool> present;
  for (TensorId t : n.inputs) {
    types.push_back({g_.tensors[t].dtype, g_.tensors[t].shape});
    inputs.push_back(value(t));
    present.push_back(t != 0);
  }
  return ReferenceRun(find_op(op_of(g_, n)), attributes_of(g_, n), std::move(types), std::move(inputs), present);
}

void Interpreter::finish(const Node& n, const ReferenceRun& run) {
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    if (n.outputs[k] == 0) continue;
    std::vector<double> to = run.outputs[k];
    if (n.accumulate >> k & 1) {
      const std::vector<double> before = value(n.outputs[k]);
      for (size_t i = 0; i < to.size(); ++i) to[i] += before[i];
    }
    assign(n.outputs[k], to);
  }
}

}  // namespace corral::graph
