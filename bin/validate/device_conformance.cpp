#include "bin/validate/device_conformance.h"

#include <algorithm>
#include <cmath>

#include "corral/error.h"
#include "kernel/graph/cases.h"
#include "kernel/graph/low_precision.h"
#include "kernel/graph/print.h"

namespace corral::validate {
namespace {
using graph::Case;
using graph::CaseOperand;
using graph::CaseRun;
using graph::OpDef;

enum class Types { kF32, kBf16, kMixedInputs, kF32FromBf16 };
constexpr Types kAllTypes[] = {Types::kF32, Types::kBf16, Types::kMixedInputs, Types::kF32FromBf16};

// A graph of one node. Every operand is a state, so that it can be written before and read after.
struct OneNode {
  Graph graph;
  std::vector<TensorId> inputs, outputs;
};

OneNode one_node(const OpDef& def, const Case& c, const CaseRun& run, uint32_t accumulate, uint32_t absent) {
  OneNode one;
  GraphBuilder b(one.graph);
  State s;
  s.kind = StateKind::STATISTIC;
  const graph::Operands& o = def.operands(c.attrs);
  for (size_t i = 0; i < run.inputs.size(); ++i) {
    const CaseOperand& in = run.inputs[i];
    one.inputs.push_back(in.present ? b.state("in." + o.inputs[i], in.type.dtype, in.type.shape, s) : 0);
  }
  for (size_t k = 0; k < run.outputs.size(); ++k) {
    const CaseOperand& out = run.outputs[k];
    const auto updated = def.updates.find(o.outputs[k]);
    if (absent >> k & 1)
      one.outputs.push_back(0);
    else if (updated == def.updates.end())
      one.outputs.push_back(b.state("out." + o.outputs[k], out.type.dtype, out.type.shape, s));
    else
      one.outputs.push_back(
          one.inputs[static_cast<size_t>(std::find(o.inputs.begin(), o.inputs.end(), updated->second) - o.inputs.begin())]);
  }
  b.scope = "conformance";
  b.node(def.name, one.inputs, one.outputs, c.attrs).accumulate = accumulate;
  return one;
}

void set_types(const OpDef& def, const Case& c, CaseRun& run, Types types) {
  if (types == Types::kMixedInputs) {
    size_t number = 0;
    for (CaseOperand& in : run.inputs) {
      if (in.type.dtype != DType::BF16 || number++ % 2 == 0) continue;
      in.type.dtype = DType::F32;
      for (double& v : in.values) v = graph::rounded(v * 1.001, DType::F32);
    }
    graph::run_case_again(def, c, run);
  }
  const graph::Operands& o = def.operands(c.attrs);
  for (size_t k = 0; k < run.outputs.size(); ++k) {
    const auto updated = def.updates.find(o.outputs[k]);
    if (updated != def.updates.end()) {
      run.outputs[k].type =
          run.inputs[static_cast<size_t>(std::find(o.inputs.begin(), o.inputs.end(), updated->second) - o.inputs.begin())].type;
    } else if (!graph::has_inferred_type(def, o.outputs[k])) {
      run.outputs[k].type.dtype = types == Types::kF32 || types == Types::kF32FromBf16 ? DType::F32 : DType::BF16;
    }
  }
}

class OperationCheck {
 public:
  OperationCheck(const std::shared_ptr<const DeviceHandle>& device, const OpDef& def, Conformance& result)
      : device_(device), def_(def), result_(result) {}

  void one(size_t number, const Case& c, Types types, uint32_t accumulate, uint32_t absent = 0) {
    CaseRun run;
    try {
      run = graph::run_case(def_, c, number + 1, types == Types::kF32 ? DType::F32 : DType::BF16);
      set_types(def_, c, run, types);
    } catch (const Error&) {
      if (types == Types::kF32) throw;
      return;  // the definition refuses this case, so no device is asked
    }
    for (size_t k = 0; k < run.outputs.size(); ++k) run.outputs[k].present = run.outputs[k].present && !(absent >> k & 1);
    const OneNode node = one_node(def_, c, run, accumulate, absent);
    name_ = format("{} case {}{}{}", def_.name, number, kTypeNames[static_cast<size_t>(types)], accumulate ? ", added" : "") +
            (absent ? ", an output absent" : "");
    try {
      execute(c, run, node, accumulate);
    } catch (const std::exception& e) {
      result_.failures.push_back(name_ + ": " + e.what());
    }
  }

 private:
  static constexpr const char* kTypeNames[] = {" in f32", " in bf16", " in bf16 and f32", " from bf16 to f32"};

  void execute(const Case& c, const CaseRun& run, const OneNode& node, uint32_t accumulate) {
    runtime::Session session(device_, {{"node", node.graph}});
    session.allocate();
    const auto put = [&](TensorId t, const std::vector<double>& values, DType dtype) {
      const auto bytes = graph::to_bytes(values, dtype);
      session.write(session.tensor("node", t), bytes.data(), bytes.size());
    };
    std::vector<std::vector<double>> before(run.outputs.size());
    for (size_t k = 0; k < run.outputs.size(); ++k) {
      if (!run.outputs[k].present || def_.updates.contains(def_.operands(c.attrs).outputs[k])) continue;
      // Old values must be replaced or added to. NaN shows a read of an output that is to be overwritten.
      before[k].assign(run.outputs[k].values.size(), accumulate >> k & 1 ? 0.5 : std::nan(""));
      put(node.outputs[k], before[k], run.outputs[k].type.dtype);
    }
    for (size_t i = 0; i < run.inputs.size(); ++i)
      if (run.inputs[i].present) put(node.inputs[i], run.inputs[i].values, run.inputs[i].type.dtype);
    session.run(session.program("node", [](const Node&) { return true; }));
    ++result_.runs;
    const bool rounds =
        std::any_of(run.inputs.begin(), run.inputs.end(), [](const CaseOperand& in) { return in.present && in.type.dtype == DType::BF16; });
    for (size_t k = 0; k < run.outputs.size(); ++k) {
      const CaseOperand& out = run.outputs[k];
      if (!out.present) continue;
      std::vector<unsigned char> bytes(bytes_of(out.type.dtype, elements(out.type.shape)));
      session.read(session.tensor("node", node.outputs[k]), bytes.data(), bytes.size());
      const std::string& operand = def_.operands(c.attrs).outputs[k];
      const auto got = graph::from_bytes(bytes, out.type.dtype);
      const double added = accumulate >> k & 1 ? 0.5 : 0;
      const Comparison found = compare(operand, out, got, added, rounds);
      if (!found.failure.empty()) result_.failures.push_back(found.failure);
      if (out.type.dtype == DType::F32) result_.largest_error = std::max(result_.largest_error, found.largest_error);
    }
  }

  struct Comparison {
    std::string failure;       // the first one; "" for none
    double largest_error = 0;  // relative to the largest value
  };

  // `rounds`: an operand is bfloat16, and intermediate factors may be rounded to it, each by half a unit.
  Comparison compare(const std::string& operand, const CaseOperand& expected, const std::vector<double>& got, double added,
                     bool rounds) const {
    Comparison result;
    double largest = 0;
    for (double v : expected.values)
      if (std::isfinite(v)) largest = std::max(largest, std::fabs(v + added));
    const bool codes = graph::is_low_precision(expected.type.dtype);
    const double half_unit = expected.type.dtype == DType::BF16 ? 0x1p-8 : 0;
    for (size_t i = 0; i < got.size(); ++i) {
      const double want = added == 0 ? expected.values[i] : expected.values[i] + added, error = std::fabs(got[i] - want);
      if (got[i] == want) continue;  // also for infinities
      if (codes && graph::code_of(got[i], expected.type.dtype) == graph::code_of(want, expected.type.dtype)) continue;
      const double between = rounds ? 0x1p-8 * expected.rounded[i] : 0;
      const double limit = codes ? -1 : 1e-5 * largest + half_unit * std::fabs(want) + between;
      if (largest > 0) result.largest_error = std::max(result.largest_error, error / largest);
      if (error <= limit || !result.failure.empty()) continue;
      result.failure =
          format("{}: {}[{}] = {}, expected {} within {}", name_, operand, i, got[i], graph::rounded(want, expected.type.dtype), limit);
    }
    return result;
  }

  const std::shared_ptr<const DeviceHandle>& device_;
  const OpDef& def_;
  Conformance& result_;
  std::string name_;
};

}  // namespace

Conformance check_operation(const std::shared_ptr<const DeviceHandle>& device, const OpDef& def) {
  Conformance result;
  OperationCheck check(device, def, result);
  for (size_t number = 0; number < def.cases.size(); ++number) {
    const Case& c = def.cases[number];
    uint32_t accumulating = 0;
    const std::vector<std::string>& outputs = def.operands(c.attrs).outputs;
    for (size_t k = 0; k < outputs.size(); ++k)
      if (std::find(def.accumulates.begin(), def.accumulates.end(), outputs[k]) != def.accumulates.end()) accumulating |= 1u << k;
    for (Types types : kAllTypes) {
      check.one(number, c, types, 0);
      if (accumulating) check.one(number, c, types, accumulating);
      for (size_t k = 0; k < outputs.size(); ++k)
        if (def.operands(c.attrs).optional_outputs[k]) check.one(number, c, types, 0, 1u << k);
    }
  }
  return result;
}

}  // namespace corral::validate
