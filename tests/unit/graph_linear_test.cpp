// OpDef.linear_in, by the reference of each operation on its cases.
#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/graph/cases.h"

namespace corral::graph {
namespace {

class Linear : public testing::TestWithParam<const OpDef*> {};

bool names(const std::string& entry, const std::string& operand) {
  return (" " + entry + " ").find(" " + operand + " ") != std::string::npos;
}

// f(x + z) = f(x) + f(z), where x and z are values of all inputs of the entry and the other inputs are fixed.
void expect_linear(const OpDef& def, const Case& c, const std::string& entry) {
  const CaseRun x = run_case(def, c, 1, DType::F32);
  CaseRun z = x, sum = x;
  const CaseRun other = run_case(def, c, 2, DType::F32);
  const Operands& o = def.operands(c.attrs);
  for (size_t i = 0; i < x.inputs.size(); ++i) {
    if (!names(entry, o.inputs[i])) continue;
    z.inputs[i] = other.inputs[i];
    for (size_t k = 0; k < x.inputs[i].values.size(); ++k) sum.inputs[i].values[k] += z.inputs[i].values[k];
  }
  run_case_again(def, c, z);
  run_case_again(def, c, sum);
  for (size_t k = 0; k < x.outputs.size(); ++k)
    for (size_t i = 0; i < x.outputs[k].values.size(); ++i)
      ASSERT_NEAR(sum.outputs[k].values[i], x.outputs[k].values[i] + z.outputs[k].values[i], 1e-9)
          << def.name << ", " << entry << " to " << o.outputs[k];
}

TEST_P(Linear, IsTheOperationInTheInputsThatItNames) {
  const OpDef& def = *GetParam();
  for (const std::string& entry : def.linear_in)
    for (const Case& c : def.cases) expect_linear(def, c, entry);
}

std::vector<const OpDef*> linear_ops() {
  std::vector<const OpDef*> ops;
  std::copy_if(all_ops().begin(), all_ops().end(), std::back_inserter(ops), [](const OpDef* def) { return !def->linear_in.empty(); });
  return ops;
}

INSTANTIATE_TEST_SUITE_P(Ops, Linear, testing::ValuesIn(linear_ops()), [](const auto& info) { return info.param->name; });

}  // namespace
}  // namespace corral::graph
