#include "plugins/model/common/llama_graph.h"

#include <cmath>

#include "corral/error.h"

namespace corral::llama {
namespace {

// Far beyond any model (the deepest has 126 layers): a larger graph would take minutes to write.
constexpr int64_t kMostLayers = 10'000, kWidestHead = 1 << 16;

class Emitter {
 public:
  Emitter(const LlamaShape& m, int64_t batch, int64_t seq_length) : m_(m), b_(graph_), batch_(batch), seq_(seq_length) {}

  Graph run() {
    const TensorId tokens = b_.input("tokens", DType::I32, {batch_, seq_}), targets = b_.input("targets", DType::I32, {batch_, seq_});
    positions_ = b_.input("positions", DType::I32, {batch_, seq_});
    first_key_ = b_.input("first_key", DType::I32, {batch_, seq_});
    last_key_ = b_.input("last_key", DType::I32, {batch_, seq_});
    token_index_ = b_.input("token_index", DType::I64, {batch_, seq_});
    seed_ = b_.input("seed", DType::I64, {2});

    b_.scope = "embedding";
    const TensorId embedding = weight("model.embed_tokens.weight", {m_.vocab_size, m_.hidden_size}, m_.initializer_range);
    TensorId x = activation("embedding", m_.hidden_size);
    b_.node("embedding", {tokens, embedding}, {x});
    for (int64_t i = 0; i < m_.num_hidden_layers; ++i) x = block(x, i);

    b_.scope = "head";
    x = norm(x, "model.norm.weight", "norm");
    const TensorId head =
        m_.tie_word_embeddings ? embedding : weight("lm_head.weight", {m_.vocab_size, m_.hidden_size}, m_.initializer_range);
    const TensorId lse = activation("lse"), target = activation("target"), losses = activation("losses");
    b_.node("linear_lse", {x, head, targets}, {lse, target});
    b_.node("token_loss", {lse, target, targets}, {losses});
    b_.output("losses", losses);
    return std::move(graph_);
  }

 private:
  TensorId block(TensorId x, int64_t layer) {
    b_.scope = "layers." + std::to_string(layer);
    prefix_ = "model.layers." + std::to_string(layer) + ".";
    const int64_t q_width = m_.num_attention_heads * m_.head_dim, kv_width = m_.num_key_value_heads * m_.head_dim;
    // Layers that add to the residual start smaller, so that its variance does not grow with depth.
    const double into_residual = m_.initializer_range / std::sqrt(2.0 * static_cast<double>(m_.num_hidden_layers));

    TensorId h = norm(x, prefix_ + "input_layernorm.weight", "attention_norm");
    const TensorId q = rope(linear(h, "self_attn.q_proj", q_width, m_.hidden_size, m_.initializer_range, "q"), q_width, "q_rope");
    const TensorId k = rope(linear(h, "self_attn.k_proj", kv_width, m_.hidden_size, m_.initializer_range, "k"), kv_width, "k_rope");
    const TensorId v = linear(h, "self_attn.v_proj", kv_width, m_.hidden_size, m_.initializer_range, "v");
    const TensorId attended = activation("attention", q_width);
    const TensorId lse = b_.tensor(b_.scope + ".attention_lse", DType::F32, {batch_, seq_, m_.num_attention_heads});
    b_.node("attention", {q, k, v, first_key_, last_key_}, {attended, lse},
            {{"head_dim", attribute(m_.head_dim)}, {"scale", attribute(1 / std::sqrt(static_cast<double>(m_.head_dim)))}});
    x = add(x, linear(attended, "self_attn.o_proj", m_.hidden_size, q_width, into_residual, "attention_out"), "attention_residual");

    h = norm(x, prefix_ + "post_attention_layernorm.weight", "mlp_norm");
    const TensorId gate = linear(h, "mlp.gate_proj", m_.intermediate_size, m_.hidden_size, m_.initializer_range, "gate");
    const TensorId up = linear(h, "mlp.up_proj", m_.intermediate_size, m_.hidden_size, m_.initializer_range, "up");
    const TensorId gated = activation("swiglu", m_.intermediate_size);
    b_.node("swiglu", {gate, up}, {gated});
    return add(x, linear(gated, "mlp.down_proj", m_.hidden_size, m_.intermediate_size, into_residual, "mlp_out"), "mlp_residual");
  }

  TensorId norm(TensorId x, const std::string& parameter, const std::string& name) {
    State s;
    s.init = InitKind::ONES;
    s.trained = s.saved = true;
    const TensorId w = b_.state(parameter, DType::F32, {m_.hidden_size}, s), y = activation(name, m_.hidden_size);
    b_.node("rms_norm", {x, w}, {y}, {{"eps", attribute(m_.rms_norm_eps)}});
    return y;
  }

  TensorId linear(TensorId x, const std::string& module, int64_t out, int64_t in, double std, const std::string& name) {
    const TensorId w = weight(prefix_ + module + ".weight", {out, in}, std), y = activation(name, out);
    b_.node("product", {x, w}, {y}, {{"role", attribute(std::string("fprop"))}});
    return y;
  }

  TensorId rope(TensorId x, int64_t width, const std::string& name) {
    const TensorId y = activation(name, width);
    b_.node("rope", {x, positions_}, {y}, {{"head_dim", attribute(m_.head_dim)}, {"frequencies", attribute(m_.rope_frequencies)}});
    return y;
  }

  TensorId add(TensorId residual, TensorId x, const std::string& name) {
    if (m_.hidden_dropout > 0) {
      const TensorId dropped = activation(name + "_dropout", m_.hidden_size);
      b_.node("dropout", {x, token_index_, seed_}, {dropped}, {{"rate", attribute(m_.hidden_dropout)}, {"key", attribute(dropout_key_++)}});
      x = dropped;
    }
    const TensorId y = activation(name, m_.hidden_size);
    b_.node("add", {residual, x}, {y});
    return y;
  }

  TensorId weight(const std::string& name, Shape shape, double std) {
    State s;
    s.init = InitKind::NORMAL;
    s.init_scale = std;
    s.trained = s.saved = true;
    return b_.state(name, DType::F32, std::move(shape), s);
  }

  TensorId activation(const std::string& name, int64_t width) {
    return b_.tensor(b_.scope + "." + name, DType::F32, {batch_, seq_, width});
  }
  TensorId activation(const std::string& name) { return b_.tensor(b_.scope + "." + name, DType::F32, {batch_, seq_}); }

  const LlamaShape& m_;
  Graph graph_;
  GraphBuilder b_;
  int64_t batch_, seq_, dropout_key_ = 0;
  TensorId positions_ = 0, first_key_ = 0, last_key_ = 0, token_index_ = 0, seed_ = 0;
  std::string prefix_;
};

}  // namespace

void check(const LlamaShape& m) {
  if (m.num_hidden_layers < 1 || m.num_hidden_layers > kMostLayers)
    fail("model.num_hidden_layers = {}: expected a number from 1 to {}", m.num_hidden_layers, kMostLayers);
  const std::pair<const char*, int64_t> sizes[] = {{"hidden_size", m.hidden_size},
                                                   {"intermediate_size", m.intermediate_size},
                                                   {"num_attention_heads", m.num_attention_heads},
                                                   {"num_key_value_heads", m.num_key_value_heads},
                                                   {"head_dim", m.head_dim},
                                                   {"vocab_size", m.vocab_size}};
  for (const auto& [key, value] : sizes)
    if (value < 1 || value > int64_t{1} << 31) fail("model.{} = {}: expected a number from 1 to 2147483648", key, value);
  if (m.num_attention_heads % m.num_key_value_heads != 0)
    fail("model.num_attention_heads = {} is not a multiple of model.num_key_value_heads = {}", m.num_attention_heads,
         m.num_key_value_heads);
  if (m.head_dim > kWidestHead) fail("model.head_dim = {}: expected at most {}", m.head_dim, kWidestHead);
  if (m.head_dim % 2 != 0) fail("model.head_dim = {}: expected an even number, since RoPE rotates pairs", m.head_dim);
  if (m.hidden_dropout < 0 || m.hidden_dropout >= 1)
    fail("model.hidden_dropout = {}: expected 0 or more and less than 1", m.hidden_dropout);
  if (!(m.initializer_range >= 0 && m.initializer_range < HUGE_VAL))
    fail("model.initializer_range = {}: expected a number of 0 or more", m.initializer_range);
  if (!(m.rms_norm_eps > 0)) fail("model.rms_norm_eps = {}: expected more than 0", m.rms_norm_eps);
}

Graph emit(const LlamaShape& m, int64_t batch, int64_t seq_length) { return Emitter(m, batch, seq_length).run(); }

std::vector<ParameterInfo> parameters(const LlamaShape& m) {
  const Graph g = emit(m, 1, 1);
  std::vector<ParameterInfo> all;
  for (const State& s : g.states) all.push_back({name_of(g, s.tensor), g.tensors[s.tensor].shape});
  return all;
}

}  // namespace corral::llama
