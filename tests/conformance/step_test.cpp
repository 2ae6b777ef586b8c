// A whole training step on a device: planned, launched, against the float64 interpreter; and recomputation, which must change no bit.
#include <gtest/gtest.h>

#include <cmath>

#include "kernel/graph/cases.h"
#include "kernel/graph/interpreter.h"
#include "kernel/graph/op.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/recompute.h"
#include "kernel/runtime/session.h"
#include "tests/conformance/on_device.h"
#include "tests/unit/passes_fused_model.h"

namespace corral {
namespace {

class Step : public OnDevice {};

using Values = std::map<std::string, std::vector<double>>;

// Losses and gradients by name after `micro_batches` of the graph.
Values run(const Graph& g, int micro_batches = 1, uint32_t threads = 0) {
  DeviceOpen request;
  request.threads = threads;
  const auto device = load_device(CORRAL_DEVICE, request);
  graph::Interpreter start(g);
  fill_small_model(g, start);
  runtime::Session session(device, {g});
  session.allocate();
  const auto put = [&](TensorId t) {
    const auto bytes = graph::to_bytes(start[t], g.tensors[t].dtype);
    session.write(session.tensor(0, t), bytes.data(), bytes.size());
  };
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER) put(s.tensor);
  const size_t first = session.program(0, [](const Node& n) { return n.when != When::LAST; });
  const size_t later = session.program(0, [](const Node& n) { return n.when == When::EVERY; });
  for (int i = 0; i < micro_batches; ++i) {
    for (const Port& p : g.inputs) put(p.tensor);
    session.run(i == 0 ? first : later);
  }
  Values result;
  const auto get = [&](TensorId t) {
    std::vector<unsigned char> bytes(session.tensor(0, t).bytes());
    session.read(session.tensor(0, t), bytes.data(), bytes.size());
    result[name_of(g, t)] = graph::from_bytes(bytes, g.tensors[t].dtype);
  };
  get(find_port(g, g.outputs, "losses"));
  for (const State& s : g.states)
    if (s.kind == StateKind::GRADIENT) get(s.tensor);
  return result;
}

Values reference(const Graph& g) {
  graph::Interpreter interpreter(g);
  fill_small_model(g, interpreter);
  for (const State& s : g.states)
    for (double& v : interpreter[s.tensor]) v = graph::rounded(v, g.tensors[s.tensor].dtype);
  interpreter.run_all();
  Values result;
  for (TensorId t = 1; t < g.tensors.size(); ++t) result[name_of(g, t)] = interpreter[t];
  return result;
}

// Parameters and activations in bfloat16, as far as the operations let them.
Graph in_bf16(Graph g) {
  std::vector<bool> fixed(g.tensors.size());
  for (const Port& p : g.outputs) fixed[p.tensor] = true;
  for (const State& s : g.states) fixed[s.tensor] = s.kind != StateKind::PARAMETER;
  for (const Node& n : g.nodes) {
    const graph::OpDef& def = graph::find_op(op_of(g, n));
    const graph::Operands& o = def.operands(graph::attributes_of(g, n));
    for (size_t i = 0; i < n.inputs.size(); ++i) fixed[n.inputs[i]] = fixed[n.inputs[i]] || def.types.contains(o.inputs[i]);
    for (size_t k = 0; k < n.outputs.size(); ++k) fixed[n.outputs[k]] = fixed[n.outputs[k]] || def.types.contains(o.outputs[k]);
  }
  for (TensorId t = 1; t < g.tensors.size(); ++t)
    if (!fixed[t]) g.tensors[t].dtype = DType::BF16;
  return g;
}

void expect_near(const Values& got, const Values& expected, double limit, double factor = 1) {
  for (const auto& [name, values] : got) {
    double largest = 0, error = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double want = expected.at(name)[i] * (name == "losses" ? 1 : factor);
      largest = std::max(largest, std::fabs(want));
      error = std::max(error, std::fabs(values[i] - want));
    }
    EXPECT_GT(largest, 0) << name;
    EXPECT_LE(error, limit * largest) << name;
  }
}

TEST_F(Step, GivesTheLossesAndGradientsOfTheReference) {
  const Graph g = passes::autodiff(small_model());
  expect_near(run(g), reference(g), 1e-5);
}

TEST_F(Step, AddsTheGradientsOfMicroBatches) {
  const Graph g = passes::autodiff(small_model());
  expect_near(run(g, 3), reference(g), 1e-5, 3);
}

TEST_F(Step, IsTheSameBitForBitWithAnyNumberOfThreads) {
  for (const bool bf16 : {false, true}) {
    const Graph plain = passes::autodiff(small_model(false, 1100)), g = bf16 ? in_bf16(plain) : plain;  // enough rows for several threads
    const Values expected = run(g, 2, 1);
    EXPECT_EQ(run(g, 2, 2), expected);
    EXPECT_EQ(run(g, 2, 3), expected);
  }
}

TEST_F(Step, InBfloat16StaysNearTheReference) {
  const Graph g = in_bf16(passes::autodiff(small_model()));
  const Values got = run(g);
  expect_near(got, reference(g), 0.1);
  EXPECT_NE(got.at("losses"), run(passes::autodiff(small_model())).at("losses"));
}

// What the device does not know by name runs as its body, and a gradient through it needs no rule of its own.
TEST_F(Step, IsTheSameBitForBitWithOperationsThatTheDeviceDoesNotKnow) {
  const Graph plain = passes::autodiff(small_model()), fused = passes::autodiff(fused_model());
  const Values expected = run(plain);
  EXPECT_EQ(run(fused), expected);
  EXPECT_EQ(run(passes::recompute(fused, "selective", 0)), expected);
  EXPECT_EQ(run(passes::recompute(fused, "full", 0)), expected);
}

TEST_F(Step, IsTheSameBitForBitWithRecomputation) {
  for (const bool bf16 : {false, true}) {
    const Graph plain = passes::autodiff(small_model());
    const auto typed = [&](Graph g) { return bf16 ? in_bf16(std::move(g)) : g; };
    const Values expected = run(typed(plain));
    EXPECT_EQ(run(typed(passes::recompute(plain, "selective", 0))), expected);
    EXPECT_EQ(run(typed(passes::recompute(plain, "full", 1))), expected);
    EXPECT_EQ(run(typed(passes::recompute(plain, "full", 0))), expected);
  }
}

}  // namespace
}  // namespace corral
