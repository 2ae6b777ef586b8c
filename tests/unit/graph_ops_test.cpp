// Every operation, from its own cases: shapes are refused, gradients equal finite differences of the float64 reference, axes name every
// operand.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "kernel/graph/interpreter.h"
#include "kernel/graph/op.h"

namespace corral::graph {
namespace {

struct Sample {
  std::vector<TensorType> types;
  std::vector<std::vector<double>> values;
  std::vector<bool> present;
};

Sample make(const OpDef& def, const Case& c, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> real(-1, 1);
  Sample s;
  const Operands& o = def.operands(c.attrs);
  for (const std::string& name : o.inputs) {
    const auto shape = c.shapes.find(name);
    s.present.push_back(shape != c.shapes.end());
    s.types.push_back({DType::F32, shape == c.shapes.end() ? Shape{} : shape->second});
    std::vector<double> v(static_cast<size_t>(elements(s.types.back().shape)));
    const auto range = c.integers.find(name);
    for (double& x : v)
      x = range == c.integers.end()
              ? real(random)
              : static_cast<double>(std::uniform_int_distribution<int64_t>(range->second.first, range->second.second - 1)(random));
    s.values.push_back(std::move(v));
  }
  return s;
}

std::vector<std::vector<double>> run(const OpDef& def, const Case& c, const Sample& s) {
  return run_reference(def, c.attrs, s.types, s.values, s.present);
}

// A graph of one node; its gradient nodes are emitted behind it.
class GradientGraph {
 public:
  GradientGraph(const OpDef& def, const Case& c, const Sample& s) : b_(g) {
    for (size_t i = 0; i < s.types.size(); ++i) inputs.push_back(s.present[i] ? b_.tensor("in", s.types[i].dtype, s.types[i].shape) : 0);
    std::vector<const TensorType*> types;
    for (size_t i = 0; i < s.types.size(); ++i) types.push_back(s.present[i] ? &s.types[i] : nullptr);
    std::vector<bool> needed;
    for (size_t i = 0; i < s.types.size(); ++i) needed.push_back(s.present[i] && !c.integers.contains(def.operands(c.attrs).inputs[i]));
    for (const TensorType& t : infer(def, c.attrs, types, def.name)) {
      outputs.push_back(b_.tensor("out", t.dtype, t.shape));
      output_gradients.push_back(b_.tensor("dout", t.dtype, t.shape));
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

TEST_P(EachOp, GradientEqualsFiniteDifferencesOfTheReference) {
  const OpDef& def = *GetParam();
  if (!def.gradient || def.name == "dropout") return;
  for (const Case& c : def.cases) {
    if (!c.attrs.empty() && c.attrs[0].name == "role" && c.attrs[0].value.text != "fprop") continue;
    Sample s = make(def, c, 3);
    GradientGraph gradient(def, c, s);
    Interpreter interpreter(gradient.g);
    for (size_t i = 0; i < s.values.size(); ++i)
      if (gradient.inputs[i]) interpreter[gradient.inputs[i]] = s.values[i];
    // Output gradients: fixed weights, so that the scalar is their sum with the outputs. Statistics kept for the backward have none.
    std::vector<std::vector<double>> weights = run(def, c, s);
    for (size_t k = 0; k < weights.size(); ++k) {
      const bool statistic = def.name == "attention" && k == 1;
      for (size_t j = 0; j < weights[k].size(); ++j) weights[k][j] = statistic ? 0 : std::sin(static_cast<double>(j + 1));
      interpreter[gradient.output_gradients[k]] = weights[k];
    }
    interpreter.run_all();
    const auto scalar = [&] {
      const auto out = run(def, c, s);
      double total = 0;
      for (size_t k = 0; k < out.size(); ++k)
        for (size_t j = 0; j < out[k].size(); ++j) total += weights[k][j] * out[k][j];
      return total;
    };
    size_t checked = 0;
    for (size_t i = 0; i < s.values.size(); ++i) {
      if (!gradient.gradients[i]) continue;
      const std::vector<double>& analytic = interpreter[gradient.gradients[i]];
      for (size_t j = 0; j < s.values[i].size(); j += 1 + s.values[i].size() / 20) {
        const double x = s.values[i][j], h = 1e-6;
        s.values[i][j] = x + h;
        const double up = scalar();
        s.values[i][j] = x - h;
        const double down = scalar();
        s.values[i][j] = x;
        EXPECT_NEAR(analytic[j], (up - down) / (2 * h), 1e-6 * std::max(1.0, std::fabs(analytic[j]))) << "input " << i << " element " << j;
        ++checked;
      }
    }
    EXPECT_GT(checked, 0u);
  }
}

TEST_P(EachOp, RefusesEachInputOfAnotherShape) {
  const OpDef& def = *GetParam();
  for (const Case& c : def.cases) {
    const Sample s = make(def, c, 5);
    if (s.types.size() < 2) continue;
    for (size_t i = 0; i < s.types.size(); ++i) {
      if (!s.present[i]) continue;
      std::vector<TensorType> types = s.types;
      for (int64_t& d : types[i].shape) d += 13;
      types[i].shape.push_back(13);
      std::vector<const TensorType*> given;
      for (size_t k = 0; k < types.size(); ++k) given.push_back(s.present[k] ? &types[k] : nullptr);
      EXPECT_THROW(infer(def, c.attrs, given, def.name), Error) << def.name << " input " << i;
    }
  }
}

TEST_P(EachOp, NamesItsAxesAndOutputs) {
  const OpDef& def = *GetParam();
  for (const auto& [role, axes] : def.axes) {
    const Operands& o = def.operands(role);
    for (const auto& list : {def.accumulates})
      for (const std::string& name : list) EXPECT_NE(std::find(o.outputs.begin(), o.outputs.end(), name), o.outputs.end()) << name;
    for (const auto& [out, in] : def.updates) {
      EXPECT_NE(std::find(o.outputs.begin(), o.outputs.end(), out), o.outputs.end()) << out;
      EXPECT_NE(std::find(o.inputs.begin(), o.inputs.end(), in), o.inputs.end()) << in;
    }
    for (const auto& side : {o.input_axes, o.output_axes})
      for (const auto& operand : side) EXPECT_FALSE(operand.empty());
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, EachOp, testing::ValuesIn(all_ops().begin(), all_ops().end()),
                         [](const auto& info) { return info.param->name; });

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
