// For tests: the linear layers of a small Llama, with names and shapes only.
#pragma once

#include "corral/graph.h"

namespace corral::lowrank {

inline Graph test_model(int64_t layers = 2, bool tied = false) {
  constexpr int64_t D = 8, F = 12, KV = 4, V = 16;
  Graph g;
  GraphBuilder b(g);
  const auto parameter = [&](const std::string& name, Shape shape) {
    State s;
    s.trained = s.saved = true;
    return b.state(name, DType::F32, std::move(shape), s);
  };
  const TensorId tokens = b.input("tokens", DType::I32, {2, 3}), targets = b.input("targets", DType::I32, {2, 3});
  b.input("token_index", DType::I64, {2, 3});
  b.input("seed", DType::I64, {2});
  const TensorId embedding = parameter("model.embed_tokens.weight", {V, D});
  TensorId x = b.tensor("embedding", DType::F32, {2, 3, D});
  b.node("embedding", {tokens, embedding}, {x});
  for (int64_t i = 0; i < layers; ++i) {
    b.scope = "layers." + std::to_string(i);
    const std::string layer = "model.layers." + std::to_string(i) + ".";
    const auto linear = [&](TensorId in, const std::string& module, int64_t out) {
      const TensorId w = parameter(layer + module + ".weight", {out, g.tensors[in].shape.back()}),
                     y = b.tensor(module, DType::F32, {2, 3, out});
      b.node("product", {in, w}, {y}, {{"role", attribute(std::string("fprop"))}});
      return y;
    };
    const TensorId h = b.tensor("h", DType::F32, {2, 3, D});
    b.node("rms_norm", {x, parameter(layer + "input_layernorm.weight", {D})}, {h}, {{"eps", attribute(1e-5)}});
    const TensorId q = linear(h, "self_attn.q_proj", D);
    linear(h, "self_attn.k_proj", KV);
    linear(h, "self_attn.v_proj", KV);
    const TensorId o = linear(q, "self_attn.o_proj", D);
    linear(o, "mlp.gate_proj", F);
    const TensorId up = linear(o, "mlp.up_proj", F);
    x = linear(up, "mlp.down_proj", D);
  }
  b.scope = "head";
  const TensorId y = b.tensor("y", DType::F32, {2, 3, D});
  b.node("rms_norm", {x, parameter("model.norm.weight", {D})}, {y}, {{"eps", attribute(1e-5)}});
  const TensorId head = tied ? embedding : parameter("lm_head.weight", {V, D}), lse = b.tensor("lse", DType::F32, {2, 3}),
                 target = b.tensor("target", DType::F32, {2, 3}), losses = b.tensor("losses", DType::F32, {2, 3});
  b.node("linear_lse", {y, head, targets}, {lse, target});
  b.node("token_loss", {lse, target, targets}, {losses});
  b.output("losses", losses);
  return g;
}

}  // namespace corral::lowrank
