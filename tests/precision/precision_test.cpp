#include "kernel/plugin/precision.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "kernel/graph/cases.h"
#include "kernel/graph/op.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/activations.h"
#include "kernel/passes/autodiff.h"
#include "kernel/plugin/registry.h"
#include "tests/unit/passes_fused_model.h"

namespace corral {
namespace {

Graph in(const std::string& precision, Graph g) {
  static Registry registry({CORRAL_BINARY_DIR "/plugins"});
  return PrecisionHandle(registry.load("precision", precision)).transform(std::move(g), "");
}

// Every operand of the operation's first case as a tensor of one node.
Graph one_node(const graph::OpDef& def) {
  const graph::CaseRun run = graph::run_case(def, def.cases[0]);
  Graph g;
  GraphBuilder b(g);
  std::vector<TensorId> inputs, outputs;
  for (const graph::CaseOperand& o : run.inputs) inputs.push_back(o.present ? b.input("in", o.type.dtype, o.type.shape) : 0);
  for (const graph::CaseOperand& o : run.outputs) outputs.push_back(o.present ? b.tensor("out", o.type.dtype, o.type.shape) : 0);
  b.node(def.name, inputs, outputs, def.cases[0].attrs);
  return g;
}

TEST(Precision, RoundsJustTheOutputsThatEachDefinitionNames) {
  size_t rounded = 0;
  for (const graph::OpDef* def : graph::all_ops()) {
    const Graph g = in("bf16", passes::mark_activations(one_node(*def)));
    const std::vector<std::string>& names = def->operands(def->cases[0].attrs).outputs;
    for (size_t k = 0; k < names.size(); ++k) {
      const bool named = std::find(def->activations.begin(), def->activations.end(), names[k]) != def->activations.end();
      if (g.nodes[0].outputs[k] == 0) continue;
      EXPECT_EQ(g.tensors[g.nodes[0].outputs[k]].dtype == DType::BF16, named) << def->name << " " << names[k];
      rounded += named;
    }
  }
  EXPECT_GT(rounded, 10u);
}

// Nothing in a precision knows an operation by its name.
TEST(Precision, RoundsWhatIsMarkedWhateverMadeIt) {
  Graph g;
  GraphBuilder b(g);
  const TensorId x = b.input("x", DType::F32, {2, 3}), marked = b.tensor("marked", DType::F32, {2, 3}),
                 other = b.tensor("other", DType::F32, {2, 3});
  b.node("acme.unheard_of", {x}, {marked, other});
  g.tensors[marked].activation = true;
  const Graph rounded = in("bf16", g), whole = in("fp32", g);
  EXPECT_EQ(rounded.tensors[marked].dtype, DType::BF16);
  EXPECT_EQ(rounded.tensors[other].dtype, DType::F32);
  EXPECT_EQ(whole.encode(), g.encode());
}

TEST(Precision, RoundsThePartsOfAnOperationThatAPluginBrings) {
  const Graph g = in("bf16", passes::mark_activations(passes::autodiff(fused_model())));
  graph::verify(g);
  size_t inner = 0;
  for (const Node& n : g.nodes)
    for (const BodyNode& part : n.body)
      for (const TensorId t : part.outputs) {
        EXPECT_EQ(g.tensors[t].dtype, DType::BF16) << op_of(g, n) << ": " << name_of(g, t);
        ++inner;
      }
  EXPECT_EQ(inner, 10u);  // in each of two layers a turned query of two parts and a gated one of three
}

TEST(Precision, LeavesStatesAndOutputsOfTheGraphTheirType) {
  const Graph g = in("bf16", passes::mark_activations(passes::autodiff(small_model())));
  for (const State& s : g.states)
    EXPECT_EQ(g.tensors[s.tensor].dtype, s.kind == StateKind::PARAMETER ? DType::BF16 : DType::F32) << name_of(g, s.tensor);
  for (const Port& p : g.outputs) EXPECT_EQ(g.tensors[p.tensor].dtype, DType::F32) << name_of(g, p.tensor);
}

}  // namespace
}  // namespace corral
