// Every operation, from its own cases: parts of a cut factor, computed by the reference and joined as the definition says, are the whole;
// and the outputs are linear in just the inputs that the definition names.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "kernel/graph/cases.h"
#include "kernel/graph/factors.h"
#include "kernel/graph/interpreter.h"
#include "kernel/graph/low_precision.h"

namespace corral::graph {
namespace {

constexpr size_t kMostNumbers = 4000;  // larger cases are for the blocks of devices

using Values = std::vector<std::vector<double>>;

size_t numbers_of(const CaseRun& run) {
  size_t count = 0;
  for (const CaseOperand& in : run.inputs) count += in.values.size();
  return count;
}

const std::string& role_of(const Case& c) {
  static const std::string kNone;
  for (const NamedAttribute& a : c.attrs)
    if (a.name == "role") return a.value.text;
  return kNone;
}

CallFactors factors(const OpDef& def, const Case& c, const CaseRun& run) {
  std::vector<const Shape*> inputs, outputs;
  for (const CaseOperand& in : run.inputs) inputs.push_back(in.present ? &in.type.shape : nullptr);
  for (const CaseOperand& out : run.outputs) outputs.push_back(out.present ? &out.type.shape : nullptr);
  return factors_of(def, c.attrs, def.operands(c.attrs), inputs, outputs, def.name);
}

// The elements `from` to `to` of a factor.
struct Cut {
  std::string name;
  int64_t from = 0, to = 0;
};

bool has(const ShapeFactors& axes, const std::string& name) {
  return std::any_of(axes.begin(), axes.end(), [&](const auto& axis) {
    return std::any_of(axis.begin(), axis.end(), [&](const Factor& f) { return f.name == name; });
  });
}

Shape shape_of(const ShapeFactors& axes, const Cut& cut) {
  Shape shape;
  for (const auto& axis : axes) {
    shape.push_back(1);
    for (const Factor& f : axis) shape.back() *= f.name == cut.name ? cut.to - cut.from : f.extent;
  }
  return shape;
}

// F(number in the part, number in the whole).
template <class F>
void each_of(const ShapeFactors& axes, const Cut& cut, F f) {
  size_t outer = 1, extent = 0, inner = 1;
  for (const auto& axis : axes)
    for (const Factor& factor : axis) {
      if (factor.name == cut.name)
        extent = static_cast<size_t>(factor.extent);
      else
        (extent ? inner : outer) *= static_cast<size_t>(factor.extent);
    }
  size_t next = 0;
  for (size_t o = 0; o < outer; ++o)
    for (size_t e = static_cast<size_t>(cut.from); e < static_cast<size_t>(cut.to); ++e)
      for (size_t i = 0; i < inner; ++i) f(next++, (o * extent + e) * inner + i);
}

// The outputs of a rank that has this part.
Values outputs_of_part(const OpDef& def, const Case& c, const CaseRun& run, const CallFactors& whole, const Cut& cut) {
  const Operands& o = def.operands(c.attrs);
  std::vector<TensorType> types;
  Values values;
  std::vector<bool> present;
  for (size_t i = 0; i < run.inputs.size(); ++i) {
    const CaseOperand& in = run.inputs[i];
    types.push_back(in.type);
    values.push_back(in.values);
    present.push_back(in.present);
    const auto ids = def.ids.find(o.inputs[i]), first = def.first.find(o.inputs[i]);
    if (first != def.first.end() && first->second == cut.name) {
      if (!in.present) types[i] = {def.types.at(o.inputs[i]), {1}}, values[i] = {0};
      values[i][0] += static_cast<double>(cut.from);
      present[i] = true;
    }
    if (!in.present) continue;
    if (ids != def.ids.end() && ids->second == cut.name)
      for (double& id : values[i]) {
        const bool inside = id >= static_cast<double>(cut.from) && id < static_cast<double>(cut.to);
        id = inside ? id - static_cast<double>(cut.from) : -1;
      }
    if (!has(whole.inputs[i], cut.name)) continue;
    types[i].shape = shape_of(whole.inputs[i], cut);
    const std::vector<double> all = std::move(values[i]);
    values[i].assign(static_cast<size_t>(elements(types[i].shape)), 0);
    each_of(whole.inputs[i], cut, [&](size_t in_part, size_t in_whole) { values[i][in_part] = all[in_whole]; });
  }
  return run_reference(def, c.attrs, types, std::move(values), present);
}

double joined(const std::string& reduction, double a, double b) {
  if (reduction == "max") return std::max(a, b);
  if (reduction == "log_sum_exp") return std::max(a, b) + std::log1p(std::exp(-std::fabs(a - b)));
  return a + b;
}

// Outputs of both halves of a factor put side by side, or joined where an output lacks it.
Values outputs_of_halves(const OpDef& def, const Case& c, const CaseRun& run, const CallFactors& whole, const Factor& factor) {
  Values result;
  for (const CaseOperand& out : run.outputs) result.emplace_back(out.present ? out.values.size() : 0);
  const int64_t half = factor.extent / 2;
  for (const Cut& cut : {Cut{factor.name, 0, half}, Cut{factor.name, half, factor.extent}}) {
    const Values part = outputs_of_part(def, c, run, whole, cut);
    for (size_t k = 0; k < part.size(); ++k) {
      if (!run.outputs[k].present) continue;
      if (has(whole.outputs[k], factor.name)) {
        each_of(whole.outputs[k], cut, [&](size_t in_part, size_t in_whole) { result[k][in_whole] = part[k][in_part]; });
        continue;
      }
      const auto named = def.reduces.find(def.operands(c.attrs).outputs[k]);
      for (size_t i = 0; i < part[k].size(); ++i)
        result[k][i] = cut.from == 0 ? part[k][i] : joined(named == def.reduces.end() ? "sum" : named->second, result[k][i], part[k][i]);
    }
  }
  return result;
}

// The largest difference of the halves' outputs from the whole's, relative to the largest number.
double difference(const OpDef& def, const Case& c, const CaseRun& run, const Factor& factor) {
  const Values halves = outputs_of_halves(def, c, run, factors(def, c, run), factor);
  double worst = 0;
  for (size_t k = 0; k < halves.size(); ++k) {
    double largest = 1, error = 0;
    for (size_t i = 0; i < halves[k].size(); ++i) {
      const double want = run.outputs[k].values[i];
      if (halves[k][i] == want) continue;  // infinities too
      largest = std::max(largest, std::fabs(want));
      error = std::max(error, std::fabs(halves[k][i] - want));
      if (std::isnan(halves[k][i])) return HUGE_VAL;
    }
    worst = std::max(worst, error / largest);
  }
  return worst;
}

// Every factor of the case that has two elements or more, once.
std::vector<Factor> factors_of_case(const OpDef& def, const Case& c, const CaseRun& run) {
  std::vector<Factor> all;
  for (const ShapeFactors& operand : factors(def, c, run).inputs)
    for (const auto& axis : operand)
      for (const Factor& f : axis)
        if (f.extent >= 2 && std::find(all.begin(), all.end(), f) == all.end()) all.push_back(f);
  return all;
}

bool floating(const CaseOperand& in) {
  return in.present && !is_low_precision(in.type.dtype) && in.type.dtype != DType::I32 && in.type.dtype != DType::I64;
}

class EachOpOfRanks : public testing::TestWithParam<const OpDef*> {};

TEST_P(EachOpOfRanks, PartsOfEveryFactorJoinToTheWhole) {
  const OpDef& def = *GetParam();
  if (def.cuts || def.exchange) GTEST_SKIP() << "a conversion makes parts itself";
  std::map<std::string, std::set<std::string>> named, cut;  // by role
  for (const auto& [role, operands] : def.axes)
    for (const auto& side : {operands.input_axes, operands.output_axes})
      for (const auto& axes : side)
        for (const std::string& axis : axes)
          for (const std::string& factor : graph::factors_of(axis))
            if (may_cut(def, factor)) named[role].insert(factor);
  for (const Case& c : def.cases) {
    const CaseRun run = run_case(def, c, 7);
    if (numbers_of(run) > kMostNumbers) continue;
    for (const Factor& f : factors_of_case(def, c, run)) {
      if (!may_cut(def, f.name)) continue;
      EXPECT_LT(difference(def, c, run, f), 1e-12) << "role \"" << role_of(c) << "\", " << f.name << " of " << f.extent;
      cut[role_of(c)].insert(f.name.starts_with("...") ? "..." : f.name);
    }
  }
  EXPECT_EQ(cut, named) << "a factor that no case can cut";
}

TEST_P(EachOpOfRanks, FactorsThatMayNotBeCutGiveSomethingElse) {
  const OpDef& def = *GetParam();
  for (const std::string& name : words(def.whole)) {
    bool other = false;
    for (const Case& c : def.cases) {
      const CaseRun run = run_case(def, c, 7);
      if (numbers_of(run) > kMostNumbers) continue;
      for (const Factor& f : factors_of_case(def, c, run)) {
        if (f.name != name) continue;
        try {
          other = other || difference(def, c, run, f) > 1e-6;
        } catch (const Error&) {
          other = true;  // the parts have no shape of this operation
        }
      }
    }
    EXPECT_TRUE(other) << name << " could be cut";
  }
}

// Linear in a group of inputs: of their sum the outputs are the sums.
class Linearity {
 public:
  Linearity(const OpDef& def, const Case& c) : def_(def), c_(c), a_(run_case(def, c, 11)), b_(run_case(def, c, 12)) {
    for (size_t i = 0; i < a_.inputs.size(); ++i)
      if (floating(a_.inputs[i]) && matters(i)) inputs_.push_back(i);
  }
  // Groups by the bits of the numbers of inputs that the outputs depend on.
  size_t groups() const { return size_t{1} << inputs_.size(); }
  std::vector<std::string> names(size_t group) const {
    std::vector<std::string> result;
    for (size_t i = 0; i < inputs_.size(); ++i)
      if (group >> i & 1) result.push_back(def_.operands(c_.attrs).inputs[inputs_[i]]);
    return result;
  }
  bool holds(size_t group) const {
    CaseRun other = a_, sum = a_;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (!(group >> i & 1)) continue;
      const size_t at = inputs_[i];
      other.inputs[at].values = b_.inputs[at].values;
      for (size_t j = 0; j < sum.inputs[at].values.size(); ++j) sum.inputs[at].values[j] += b_.inputs[at].values[j];
    }
    run_case_again(def_, c_, other);
    run_case_again(def_, c_, sum);
    for (size_t k = 0; k < sum.outputs.size(); ++k)
      for (size_t j = 0; j < sum.outputs[k].values.size(); ++j) {
        const double expected = a_.outputs[k].values[j] + other.outputs[k].values[j];
        if (!(std::fabs(sum.outputs[k].values[j] - expected) <= 1e-9 * std::max(1.0, std::fabs(expected)))) return false;
      }
    return true;
  }

 private:
  bool matters(size_t input) const {
    CaseRun other = a_;
    other.inputs[input].values = b_.inputs[input].values;
    run_case_again(def_, c_, other);
    for (size_t k = 0; k < other.outputs.size(); ++k)
      if (other.outputs[k].values != a_.outputs[k].values) return true;
    return false;
  }

  const OpDef& def_;
  const Case& c_;
  CaseRun a_, b_;
  std::vector<size_t> inputs_;
};

TEST_P(EachOpOfRanks, IsLinearInJustTheGroupsThatItNames) {
  const OpDef& def = *GetParam();
  if (def.exchange) GTEST_SKIP() << "alone it hands on what it gets";
  std::map<std::vector<std::string>, bool> linear;  // in every case that has these inputs
  for (const Case& c : def.cases) {
    const Linearity test(def, c);
    if (numbers_of(run_case(def, c)) > kMostNumbers) continue;
    for (size_t group = 1; group < test.groups(); ++group) {
      const auto at = linear.emplace(test.names(group), true).first;
      if (at->second) at->second = test.holds(group);
    }
  }
  std::set<std::vector<std::string>> found, named;
  for (const std::string& entry : def.linear_in) named.insert(words(entry));
  for (const auto& [group, holds] : linear)
    if (holds) found.insert(group);
  EXPECT_EQ(found, named);
}

INSTANTIATE_TEST_SUITE_P(Ops, EachOpOfRanks, testing::ValuesIn(all_ops().begin(), all_ops().end()),
                         [](const auto& info) { return info.param->name; });

// The largest difference over all cuts of all cases.
double worst(const OpDef& def) {
  double result = 0;
  for (const Case& c : def.cases) {
    const CaseRun run = run_case(def, c, 7);
    if (numbers_of(run) > kMostNumbers) continue;
    for (const Factor& f : factors_of_case(def, c, run))
      if (may_cut(def, f.name)) result = std::max(result, difference(def, c, run, f));
  }
  return result;
}

TEST(OpsOfRanks, AWrongReductionAndIdsOfTheWholeAreSeen) {
  OpDef amax = find_op("amax"), lse = find_op("linear_lse"), loss = find_op("linear_lse"), dropout = find_op("dropout");
  EXPECT_LT(worst(amax), 1e-12);
  amax.reduces.clear();
  EXPECT_GT(worst(amax), 0.1);
  lse.reduces["lse"] = "max";
  EXPECT_GT(worst(lse), 0.1);
  loss.ids.clear();
  EXPECT_GT(worst(loss), 0.1);
  EXPECT_LT(worst(dropout), 1e-12);
  dropout.first.clear();
  EXPECT_GT(worst(dropout), 0.1);
}

TEST(OpsOfRanks, AFactorThatMustStayWholeIsSeen) {
  OpDef norm = find_op("rms_norm");
  norm.whole.clear();
  EXPECT_GT(worst(norm), 1e-3);
}

TEST(OpsOfRanks, CutsBetweenHeadsAndBlocksOnly) {
  const auto names = [](const char* op, size_t number) {
    const OpDef& def = find_op(op);
    const CaseRun run = run_case(def, def.cases[number]);
    std::vector<std::string> cuttable;
    for (const Factor& f : factors_of_case(def, def.cases[number], run))
      if (may_cut(def, f.name)) cuttable.push_back(f.name + " " + std::to_string(f.extent));
    return cuttable;
  };
  EXPECT_EQ(names("rope", 0), (std::vector<std::string>{"b 2", "t 3", "h 2"}));
  EXPECT_EQ(names("quantize", 2), (std::vector<std::string>{"...0 5", "k 2"}));
  EXPECT_EQ(names("quantize", 5), (std::vector<std::string>{"n 3", "k 5"}));
}

}  // namespace
}  // namespace corral::graph
