// Every operation, tested from its own cases: wrong shapes are refused, gradients equal finite differences of the float64 reference, axes
// name every operand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "kernel/graph/cases.h"
#include "kernel/graph/interpreter.h"
#include "kernel/graph/op.h"

namespace corral::graph {
namespace {

bool differentiable(const CaseOperand& in) { return in.present && in.type.dtype != DType::I32 && in.type.dtype != DType::I64; }

// A graph of one node, followed by the nodes of its gradient.
class GradientGraph {
 public:
  GradientGraph(const OpDef& def, const Case& c, const CaseRun& run) : b_(g) {
    std::vector<bool> needed;
    for (const CaseOperand& in : run.inputs) {
      inputs.push_back(in.present ? b_.tensor("in", in.type.dtype, in.type.shape) : 0);
      needed.push_back(differentiable(in));
    }
    for (const CaseOperand& out : run.outputs) {
      outputs.push_back(b_.tensor("out", out.type.dtype, out.type.shape));
      output_gradients.push_back(b_.tensor("dout", out.type.dtype, out.type.shape));
    }
    const Node node = b_.node(def.name, inputs, outputs, c.attrs);
    GradCall call(def, c.attrs, def.name, node, output_gradients, needed,
                  [&](const std::string& op, const std::vector<TensorId>& in, const Attrs& attrs) { return emit(op, in, attrs); });
    def.gradient(call);
    gradients = call.gradients;
  }

  Graph g;
  std::vector<TensorId> inputs, outputs, output_gradients, gradients;

 private:
  std::vector<TensorId> emit(const std::string& op, const std::vector<TensorId>& in, const Attrs& attrs) {
    std::vector<TensorType> types;
    for (TensorId t : in) types.push_back({g.tensors[t].dtype, g.tensors[t].shape});
    std::vector<const TensorType*> given;
    for (size_t i = 0; i < in.size(); ++i) given.push_back(in[i] ? &types[i] : nullptr);
    std::vector<TensorId> out;
    for (const TensorType& t : infer(find_op(op), attrs, given, op)) out.push_back(b_.tensor("d", t.dtype, t.shape));
    b_.node(op, in, out, attrs);
    return out;
  }
  GraphBuilder b_;
};

class EachOp : public testing::TestWithParam<const OpDef*> {};
class EachOpWithGradient : public EachOp {};

std::vector<const OpDef*> ops_with_gradient() {
  std::vector<const OpDef*> chosen;
  for (const OpDef* def : all_ops())
    if (def->gradient) chosen.push_back(def);
  return chosen;
}

TEST_P(EachOp, HasCasesThatRunAndGiveFiniteNumbers) {
  const OpDef& def = *GetParam();
  for (const auto& [role, axes] : def.axes)
    EXPECT_TRUE(std::any_of(def.cases.begin(), def.cases.end(),
                            [&, &r = role](const Case& c) { return r.empty() || (c.attrs.size() && c.attrs[0].value.text == r); }))
        << "no case of role \"" << role << "\"";
  for (const Case& c : def.cases)
    for (const CaseOperand& out : run_case(def, c).outputs) {
      EXPECT_TRUE(!out.present || !out.values.empty());
      for (double v : out.values) EXPECT_TRUE(std::isfinite(v) || v == -HUGE_VAL) << v;  // the logarithm of an empty sum
    }
}

TEST_P(EachOpWithGradient, EqualsFiniteDifferencesOfTheReference) {
  const OpDef& def = *GetParam();
  size_t cases = 0;
  for (const Case& c : def.cases) {
    if (!c.attrs.empty() && c.attrs[0].name == "role" && c.attrs[0].value.text != "fprop") continue;
    CaseRun run = run_case(def, c, 3);
    size_t size = 0;
    for (const CaseOperand& in : run.inputs) size += in.values.size();
    if (size > 4000) continue;  // larger cases test the blocks of a device
    GradientGraph gradient(def, c, run);
    Interpreter interpreter(gradient.g);
    for (size_t i = 0; i < run.inputs.size(); ++i)
      if (gradient.inputs[i]) interpreter[gradient.inputs[i]] = run.inputs[i].values;
    // The scalar is the sum of the outputs times fixed weights. A statistic, which gradients are made of, has none itself.
    std::vector<std::vector<double>> weights;
    for (size_t k = 0; k < run.outputs.size(); ++k) {
      const bool statistic = def.operands(c.attrs).optional_outputs[k];
      std::vector<double>& w = weights.emplace_back(run.outputs[k].values.size());
      for (size_t j = 0; j < w.size(); ++j) w[j] = statistic ? 0 : std::sin(static_cast<double>(j + 1));
      interpreter[gradient.output_gradients[k]] = w;
    }
    interpreter.run_all();
    const auto scalar = [&] {
      run_case_again(def, c, run);
      double total = 0;
      for (size_t k = 0; k < run.outputs.size(); ++k)
        for (size_t j = 0; j < weights[k].size(); ++j)
          if (weights[k][j] != 0) total += weights[k][j] * run.outputs[k].values[j];
      return total;
    };
    size_t checked = 0;
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      EXPECT_EQ(gradient.gradients[i] != 0, differentiable(run.inputs[i])) << "input " << i;
      if (!gradient.gradients[i]) continue;
      const std::vector<double>& analytic = interpreter[gradient.gradients[i]];
      std::vector<double>& values = run.inputs[i].values;
      for (size_t j = 0; j < values.size(); j += 1 + values.size() / 20) {
        const double x = values[j], h = 1e-6;
        values[j] = x + h;
        const double up = scalar();
        values[j] = x - h;
        const double down = scalar();
        values[j] = x;
        EXPECT_NEAR(analytic[j], (up - down) / (2 * h), 1e-6 * std::max(1.0, std::fabs(analytic[j]))) << "input " << i << " element " << j;
        ++checked;
      }
    }
    EXPECT_GT(checked, 0u);
    ++cases;
  }
  EXPECT_GT(cases, 0u);
}

// Infers the output types of a case after `change` was applied to input `changed`.
template <class Change>
std::vector<TensorType> infer_changed(const OpDef& def, const Case& c, const CaseRun& run, size_t changed, Change change) {
  std::vector<TensorType> types;
  for (const CaseOperand& in : run.inputs) types.push_back(in.type);
  change(types[changed]);
  std::vector<const TensorType*> given;
  for (size_t i = 0; i < types.size(); ++i) given.push_back(run.inputs[i].present ? &types[i] : nullptr);
  return infer(def, c.attrs, given, def.name);
}

// True if another input has one of the input's axes, or if its extent is fixed.
bool shares_axes(const Operands& o, size_t input) {
  const std::vector<std::string>& own = o.input_axes[input];
  for (size_t other = 0; other < o.inputs.size(); ++other)
    for (const std::string& axis : o.input_axes[other])
      if (other != input && std::find(own.begin(), own.end(), axis) != own.end()) return true;
  return own == std::vector<std::string>{"one"} || own == std::vector<std::string>{"two"};
}

TEST_P(EachOp, RefusesEachInputOfAnotherShapeOrType) {
  const OpDef& def = *GetParam();
  for (const Case& c : def.cases) {
    const CaseRun run = run_case(def, c, 5);
    for (size_t i = 0; i < run.inputs.size(); ++i) {
      if (!run.inputs[i].present) continue;
      EXPECT_THROW(infer_changed(def, c, run, i, [](TensorType& t) { t.dtype = t.dtype == DType::I32 ? DType::F32 : DType::I32; }), Error);
      if (!shares_axes(def.operands(c.attrs), i)) continue;
      EXPECT_THROW(infer_changed(def, c, run, i,
                                 [](TensorType& t) {
                                   for (int64_t& d : t.shape) d += 13;
                                   t.shape.push_back(13);
                                 }),
                   Error)
          << def.name << " input " << i;
      EXPECT_THROW(infer_changed(def, c, run, i, [](TensorType& t) { t.shape.clear(); }), Error) << "input " << i;
    }
  }
}

TEST_P(EachOp, RefusesEachMissingInput) {
  const OpDef& def = *GetParam();
  for (const Case& c : def.cases) {
    const CaseRun run = run_case(def, c, 5);
    const Operands& operands = def.operands(c.attrs);
    for (size_t missing = 0; missing < run.inputs.size(); ++missing) {
      if (operands.optional[missing]) continue;
      std::vector<const TensorType*> given;
      for (const CaseOperand& in : run.inputs) given.push_back(in.present ? &in.type : nullptr);
      given[missing] = nullptr;
      EXPECT_THROW(infer(def, c.attrs, given, def.name), Error) << operands.inputs[missing];
    }
  }
}

TEST_P(EachOp, NamesItsAxesAndOutputs) {
  const OpDef& def = *GetParam();
  std::set<std::string> named;
  for (const auto& [role, axes] : def.axes) {
    const Operands& o = def.operands(role);
    for (const auto& list : {def.accumulates, def.activations})
      for (const std::string& name : list) EXPECT_NE(std::find(o.outputs.begin(), o.outputs.end(), name), o.outputs.end()) << name;
    for (const auto& [out, in] : def.updates) {
      EXPECT_NE(std::find(o.outputs.begin(), o.outputs.end(), out), o.outputs.end()) << out;
      EXPECT_NE(std::find(o.inputs.begin(), o.inputs.end(), in), o.inputs.end()) << in;
    }
    for (const auto& side : {o.input_axes, o.output_axes})
      for (const auto& operand : side) EXPECT_FALSE(operand.empty());
    named.insert(o.inputs.begin(), o.inputs.end());
    named.insert(o.outputs.begin(), o.outputs.end());
  }
  for (const auto& [operand, type] : def.types) EXPECT_TRUE(named.contains(operand)) << operand;
  for (const auto& [operand, type] : def.classes) EXPECT_TRUE(named.contains(operand)) << operand;
  for (const auto& of_ranks : {def.reduces, def.ids, def.first})
    for (const auto& [operand, what] : of_ranks) EXPECT_TRUE(named.contains(operand)) << operand;
  for (const auto& [output, reduction] : def.reduces) EXPECT_TRUE(reduction == "max" || reduction == "log_sum_exp") << reduction;
}

const auto kName = [](const auto& info) { return info.param->name; };
INSTANTIATE_TEST_SUITE_P(Ops, EachOp, testing::ValuesIn(all_ops().begin(), all_ops().end()), kName);
INSTANTIATE_TEST_SUITE_P(Ops, EachOpWithGradient, testing::ValuesIn(ops_with_gradient()), kName);

TEST(Ops, UnknownNamesTheNearest) {
  try {
    find_op("rms_nrom");
    FAIL() << "found";
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find("did you mean \"rms_norm\""), std::string::npos) << e.what();
  }
}

}  // namespace
}  // namespace corral::graph
