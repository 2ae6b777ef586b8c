// A whole training step on a device, planned and launched, against the float64 interpreter. Threads and recomputation must change no bit.
#include <gtest/gtest.h>

#include <algorithm>
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

// Runs the graph for `micro_batches`; returns losses and gradients by name.
Values run(const Graph& g, int micro_batches = 1, uint32_t threads = 0) {
  DeviceOpen request;
  request.threads = threads;
  const auto device = load_device(CORRAL_DEVICE, request);
  graph::Interpreter start(g);
  fill_small_model(g, start);
  runtime::Session session(device, {{"train", g}});
  session.allocate();
  const auto put = [&](TensorId t) {
    const auto bytes = graph::to_bytes(start[t], g.tensors[t].dtype);
    session.write(session.tensor("train", t), bytes.data(), bytes.size());
  };
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER) put(s.tensor);
  const size_t first = session.program("train", [](const Node& n) { return n.when != When::LAST; });
  const size_t later = session.program("train", [](const Node& n) { return n.when == When::EVERY; });
  for (int i = 0; i < micro_batches; ++i) {
    for (const Port& p : g.inputs) put(p.tensor);
    session.run(i == 0 ? first : later);
  }
  Values result;
  const auto get = [&](TensorId t) {
    std::vector<unsigned char> bytes(session.tensor("train", t).bytes());
    session.read(session.tensor("train", t), bytes.data(), bytes.size());
    result[name_of(g, t)] = graph::from_bytes(bytes, g.tensors[t].dtype);
  };
  get(find_port(g, g.outputs, "losses"));
  for (const State& s : g.states)
    if (s.kind == StateKind::GRADIENT) get(s.tensor);
  return result;
}

// Losses and gradients in float64, where each tensor is rounded to its type when it is written.
Values reference(const Graph& g) {
  graph::Interpreter interpreter(g);
  fill_small_model(g, interpreter);
  const auto round = [&](TensorId t) {
    for (double& v : interpreter[t]) v = graph::rounded(v, g.tensors[t].dtype);
  };
  for (const State& s : g.states) round(s.tensor);
  for (const Node& n : g.nodes) {
    interpreter.run([&](const Node& each) { return &each == &n; });
    for (TensorId t : n.outputs) round(t);
  }
  Values result;
  for (TensorId t = 1; t < g.tensors.size(); ++t) result[name_of(g, t)] = interpreter[t];
  return result;
}

// Turns parameters and activations into bfloat16, where the operations allow it.
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

// The largest error of a tensor, relative to its largest value. Gradients are those of `micro_batches` equal ones.
double distance(const Values& got, const Values& expected, int micro_batches = 1) {
  double worst = 0;
  for (const auto& [name, values] : got) {
    double largest = 0, error = 0;
    for (size_t i = 0; i < values.size(); ++i) {
      const double want = expected.at(name)[i] * (name == "losses" ? 1 : micro_batches);
      largest = std::max(largest, std::fabs(want));
      error = std::max(error, std::fabs(values[i] - want));
    }
    EXPECT_GT(largest, 0) << name;
    worst = std::max(worst, error / largest);
  }
  return worst;
}

TEST_F(Step, GivesTheLossesAndGradientsOfTheReference) {
  const Graph g = passes::autodiff(small_model());
  EXPECT_LE(distance(run(g), reference(g)), 1e-5);
}

TEST_F(Step, AddsTheGradientsOfMicroBatches) {
  const Graph g = passes::autodiff(small_model());
  EXPECT_LE(distance(run(g, 3), reference(g), 3), 1e-5);
}

TEST_F(Step, IsTheSameBitForBitWithAnyNumberOfThreads) {
  for (const bool bf16 : {false, true}) {
    const Graph plain = passes::autodiff(small_model(false, 1100)),
                g = bf16 ? in_bf16(plain) : plain;  // enough token positions for several threads
    const Values expected = run(g, 2, 1);
    EXPECT_EQ(run(g, 2, 2), expected);
    EXPECT_EQ(run(g, 2, 3), expected);
  }
}

// A device may round factors within an operation too (RefCall::rounded): that changes a step about as much as the rounding of its tensors.
TEST_F(Step, InBfloat16IsAsNearToTheReferenceAsTheRoundingOfTensors) {
  const Graph plain = passes::autodiff(small_model()), g = in_bf16(plain);
  const Values got = run(g), exact = reference(plain);
  Values rounded = reference(g);
  std::erase_if(rounded, [&](const auto& tensor) { return !got.contains(tensor.first); });
  EXPECT_LE(distance(got, rounded), 1.5 * distance(rounded, exact));
  EXPECT_GT(distance(got, exact), std::ldexp(1, -7));
}

// A node that the device does not know runs as its body; its gradient needs no rule of its own.
TEST_F(Step, IsTheSameBitForBitWithNodesThatTheDeviceDoesNotKnow) {
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
