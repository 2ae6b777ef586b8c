// A small residual network with every case of a pass: shared weights, attention, several uses of an activation, a frozen parameter.
#pragma once

#include <cmath>
#include <random>

#include "corral/graph.h"
#include "kernel/graph/interpreter.h"

namespace corral {

inline Graph small_model(bool frozen_embedding = false, int64_t T = 6, int64_t layers = 2) {
  constexpr int64_t B = 2, D = 8, V = 13, F = 10, kHeadDim = 4;
  Graph g;
  GraphBuilder b(g);
  const auto parameter = [&](const std::string& name, Shape shape, bool trained = true) {
    State s;
    s.trained = trained;
    s.saved = true;
    return b.state(name, DType::F32, std::move(shape), s);
  };
  const auto node = [&](const std::string& op, std::vector<TensorId> in, Shape shape, std::vector<NamedAttribute> attrs = {}) {
    const TensorId y = b.tensor(b.scope + "." + op, DType::F32, std::move(shape));
    b.node(op, std::move(in), {y}, std::move(attrs));
    return y;
  };
  const NamedAttribute fprop{"role", attribute(std::string("fprop"))}, head_dim{"head_dim", attribute(kHeadDim)};
  const TensorId tokens = b.input("tokens", DType::I32, {B, T}), targets = b.input("targets", DType::I32, {B, T}),
                 positions = b.input("positions", DType::I32, {B, T}), first_key = b.input("first_key", DType::I32, {B, T}),
                 last_key = b.input("last_key", DType::I32, {B, T});
  b.scope = "embedding";
  const TensorId embedding = parameter("embedding", {V, D}, !frozen_embedding);
  TensorId x = node("embedding", {tokens, embedding}, {B, T, D});
  for (int64_t layer = 0; layer < layers; ++layer) {
    b.scope = "layers." + std::to_string(layer);
    const TensorId h = node("rms_norm", {x, parameter(b.scope + ".norm", {D})}, {B, T, D}, {{"eps", attribute(1e-5)}});
    const NamedAttribute frequencies{"frequencies", attribute(std::vector<double>{1, 0.1})};
    const TensorId q = node("rope", {node("product", {h, parameter(b.scope + ".q", {D, D})}, {B, T, D}, {fprop}), positions}, {B, T, D},
                            {head_dim, frequencies});
    const TensorId k = node("product", {h, parameter(b.scope + ".k", {kHeadDim, D})}, {B, T, kHeadDim}, {fprop});
    const TensorId v = node("product", {h, parameter(b.scope + ".v", {kHeadDim, D})}, {B, T, kHeadDim}, {fprop});
    const TensorId y = b.tensor(b.scope + ".attention", DType::F32, {B, T, D}),
                   lse = b.tensor(b.scope + ".lse", DType::F32, {B, T, D / kHeadDim});
    b.node("attention", {q, k, v, first_key, last_key}, {y, lse}, {head_dim, {"scale", attribute(0.5)}});
    x = node("add", {x, y}, {B, T, D});
    const TensorId gated = node("swiglu",
                                {node("product", {x, parameter(b.scope + ".gate", {F, D})}, {B, T, F}, {fprop}),
                                 node("product", {x, parameter(b.scope + ".up", {F, D})}, {B, T, F}, {fprop})},
                                {B, T, F});
    x = node("add", {x, node("product", {gated, parameter(b.scope + ".down", {D, F})}, {B, T, D}, {fprop})}, {B, T, D});
  }
  b.scope = "head";
  const TensorId lse = b.tensor("lse", DType::F32, {B, T}), target = b.tensor("target", DType::F32, {B, T}),
                 losses = b.tensor("losses", DType::F32, {B, T});
  b.node("linear_lse", {x, embedding, targets}, {lse, target});
  b.node("token_loss", {lse, target, targets}, {losses});
  b.output("losses", losses);
  return g;
}

// The small model with low-rank products added in place to each q and down. Only those are trained.
inline Graph adapted_model() {
  Graph g = small_model();
  for (State& s : g.states) s.trained = false;
  const std::vector<Node> nodes = std::move(g.nodes);
  g.nodes.clear();
  GraphBuilder b(g);
  for (const Node& n : nodes) {
    g.nodes.push_back(n);
    const std::string weight = n.inputs.size() > 1 ? name_of(g, n.inputs[1]) : "";
    if (!weight.ends_with(".q") && !weight.ends_with(".down")) continue;
    b.scope = g.names[n.scope];
    State s;
    s.trained = true;
    const NamedAttribute fprop{"role", attribute(std::string("fprop"))};
    const Shape x = g.tensors[n.inputs[0]].shape, w = g.tensors[n.inputs[1]].shape;
    const TensorId first = b.state(weight + ".a", DType::F32, {3, w[1]}, s), second = b.state(weight + ".b", DType::F32, {w[0], 3}, s),
                   h = b.tensor(weight + ".h", DType::F32, {x[0], x[1], 3});
    b.node("product", {n.inputs[0], first}, {h}, {fprop});
    b.node("product", {h, second}, {n.outputs[0]}, {fprop}).accumulate = 1;
  }
  return g;
}

// Fills parameters and inputs with random numbers, which depend on their names only.
inline void fill_small_model(const Graph& g, graph::Interpreter& run) {
  for (const State& s : g.states) {
    if (s.kind != StateKind::PARAMETER) continue;
    std::mt19937_64 random(std::hash<std::string>()(name_of(g, s.tensor)));
    for (double& x : run[s.tensor]) x = std::uniform_real_distribution<double>(-0.7, 0.7)(random);
  }
  const auto set = [&](const char* name, auto value) {
    if (const TensorId id = find_port(g, g.inputs, name))
      for (size_t i = 0; i < run[id].size(); ++i) run[id][i] = static_cast<double>(value(i));
  };
  const TensorId tokens = find_port(g, g.inputs, "tokens");
  const auto T = static_cast<size_t>(g.tensors[tokens].shape[1]);
  set("tokens", [](size_t i) { return i * 5 % 13; });
  set("targets", [](size_t i) { return i % 4 == 3 ? -1 : static_cast<int>(i * 7 % 13); });
  set("positions", [&](size_t i) { return i % T; });
  set("first_key", [](size_t) { return 0; });
  set("last_key", [&](size_t i) { return i % T; });
  set("weights", [](size_t i) { return i % 4 == 3 ? 0 : 1; });
}

inline double sum_of_losses(const Graph& g, graph::Interpreter& run) {
  double total = 0;
  for (double x : run[find_port(g, g.outputs, "losses")]) total += x;
  return total;
}

}  // namespace corral
