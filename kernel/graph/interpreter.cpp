#include "kernel/graph/interpreter.h"

#include <algorithm>

namespace corral::graph {

std::vector<std::vector<double>> run_reference(const OpDef& def, const Attrs& attrs, const std::vector<TensorType>& input_types,
                                               std::vector<std::vector<double>> inputs, const std::vector<bool>& present, bool rounds) {
  std::vector<const TensorType*> types;
  std::vector<RefCall::Value> in_values(inputs.size()), out_values;
  std::vector<const RefCall::Value*> in, out;
  for (size_t i = 0; i < inputs.size(); ++i) {
    types.push_back(present[i] ? &input_types[i] : nullptr);
    in_values[i] = {input_types[i].shape, inputs[i], input_types[i].dtype};
    in.push_back(present[i] ? &in_values[i] : nullptr);
  }
  in.resize(def.operands(attrs).inputs.size(), nullptr);
  const std::vector<TensorType> output_types = infer(def, attrs, types, def.name);
  std::vector<std::vector<double>> outputs;
  const Operands& operands = def.operands(attrs);
  const auto written = [&](size_t k) {
    const auto updated = def.updates.find(operands.outputs[k]);
    if (updated == def.updates.end()) return true;
    return in[static_cast<size_t>(std::find(operands.inputs.begin(), operands.inputs.end(), updated->second) - operands.inputs.begin())] !=
           nullptr;
  };
  for (size_t k = 0; k < output_types.size(); ++k)
    outputs.emplace_back(written(k) ? static_cast<size_t>(elements(output_types[k].shape)) : 0);
  for (size_t i = 0; i < outputs.size(); ++i) out_values.push_back({output_types[i].shape, outputs[i]});
  for (size_t i = 0; i < outputs.size(); ++i) out.push_back(written(i) ? &out_values[i] : nullptr);
  def.reference(RefCall(def, attrs, def.name, in, out, rounds));
  return outputs;
}

Interpreter::Interpreter(const Graph& g) : g_(g), values_(g.tensors.size()) {
  for (size_t i = 1; i < values_.size(); ++i) values_[i].resize(static_cast<size_t>(elements(g.tensors[i].shape)));
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
  std::vector<TensorType> types;
  std::vector<std::vector<double>> inputs;
  std::vector<bool> present;
  for (TensorId t : n.inputs) {
    types.push_back({g_.tensors[t].dtype, g_.tensors[t].shape});
    inputs.push_back(values_[t]);
    present.push_back(t != 0);
  }
  const auto outputs = run_reference(find_op(op_of(g_, n)), attributes_of(g_, n), types, std::move(inputs), present);
  for (size_t k = 0; k < n.outputs.size(); ++k) {
    if (n.outputs[k] == 0) continue;
    std::vector<double>& to = values_[n.outputs[k]];
    for (size_t i = 0; i < to.size(); ++i) to[i] = (n.accumulate >> k & 1 ? to[i] : 0) + outputs[k][i];
  }
}

}  // namespace corral::graph
