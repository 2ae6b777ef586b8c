#include "bin/validate/random_graph.h"

#include <algorithm>

#include "corral/error.h"
#include "kernel/passes/activations.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/step_sums.h"

namespace corral::validate {
namespace {

constexpr char kOp[] = "newer.watch", kState[] = "newer.seen";
// Field 1000, one byte of text.
const std::string kField{'\xc2', '\x3e', '\x01', 'x'};

class Maker {
 public:
  explicit Maker(std::mt19937_64& random) : random_(random), b_(g_) {}

  Graph make() {
    const int64_t layers = pick(1, 3);
    const TensorId tokens = input("tokens"), targets = input("targets"), positions = input("positions"), first_key = input("first_key"),
                   last_key = input("last_key");
    b_.scope = "embedding";
    const TensorId embedding = parameter("model.embed_tokens.weight", {vocabulary_, width_});
    TensorId x = node("embedding", {tokens, embedding}, {kRows, kLength, width_});
    for (int64_t layer = 0; layer < layers; ++layer)
      x = add_layer(x, "model.layers." + std::to_string(layer), positions, first_key, last_key, layer == 0 || !chance(3));
    b_.scope = "head";
    const TensorId head = chance(2) ? embedding : parameter("lm_head.weight", {vocabulary_, width_});
    x = norm(x, "model.norm.weight");
    const TensorId lse = tensor("lse", {kRows, kLength}), target = tensor("target", {kRows, kLength}),
                   losses = tensor("losses", {kRows, kLength});
    b_.node("linear_lse", {x, head, targets}, {lse, target});
    b_.node("token_loss", {lse, target, targets}, {losses});
    b_.output("losses", losses);
    g_.states[static_cast<size_t>(pick(0, static_cast<int64_t>(g_.states.size()) - 1))].trained = true;
    return std::move(g_);
  }

 private:
  static constexpr int64_t kRows = 2, kLength = 6;

  int64_t pick(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(random_); }
  bool chance(int64_t of) { return pick(1, of) == 1; }

  TensorId input(const char* name) { return b_.input(name, DType::I32, {kRows, kLength}); }
  TensorId tensor(const std::string& name, Shape shape) { return b_.tensor(b_.scope + "." + name, DType::F32, std::move(shape)); }
  TensorId parameter(const std::string& name, Shape shape) {
    State s;
    s.trained = !chance(4);
    s.saved = true;
    s.init = shape.size() == 1 ? InitKind::ONES : InitKind::NORMAL;
    s.init_scale = 0.02;
    return b_.state(name, DType::F32, std::move(shape), s);
  }
  TensorId node(const std::string& op, std::vector<TensorId> in, Shape shape, std::vector<NamedAttribute> attributes = {}) {
    const TensorId y = tensor(op, std::move(shape));
    b_.node(op, std::move(in), {y}, std::move(attributes));
    return y;
  }
  TensorId norm(TensorId x, const std::string& weight) {
    return node("rms_norm", {x, parameter(weight, {width_})}, {kRows, kLength, width_}, {{"eps", attribute(1e-5)}});
  }
  TensorId linear(TensorId x, const std::string& weight, int64_t out, int64_t in) {
    return node("product", {x, parameter(weight, {out, in})}, {kRows, kLength, out}, {{"role", attribute(std::string("fprop"))}});
  }

  TensorId add_layer(TensorId x, const std::string& layer, TensorId positions, TensorId first_key, TensorId last_key, bool has_mlp) {
    b_.scope = layer.substr(layer.find('.') + 1);
    const int64_t groups = chance(2) ? heads_ : 1, inner = pick(3, 20);
    const NamedAttribute head_dim{"head_dim", attribute(kHeadDim)}, frequencies{"frequencies", attribute(std::vector<double>{1, 0.1})};
    const auto turned = [&](TensorId t, int64_t width) {
      return node("rope", {t, positions}, {kRows, kLength, width}, {head_dim, frequencies});
    };
    const std::string attention = layer + ".self_attn.", mlp = layer + ".mlp.";
    const TensorId h = norm(x, layer + ".input_layernorm.weight"),
                   q = turned(linear(h, attention + "q_proj.weight", heads_ * kHeadDim, width_), heads_ * kHeadDim),
                   k = turned(linear(h, attention + "k_proj.weight", groups * kHeadDim, width_), groups * kHeadDim),
                   v = linear(h, attention + "v_proj.weight", groups * kHeadDim, width_),
                   y = tensor("attention", {kRows, kLength, heads_ * kHeadDim}), lse = tensor("attention.lse", {kRows, kLength, heads_});
    b_.node("attention", {q, k, v, first_key, last_key}, {y, lse}, {head_dim, {"scale", attribute(0.5)}});
    x = node("add", {x, linear(y, attention + "o_proj.weight", width_, heads_ * kHeadDim)}, {kRows, kLength, width_});
    if (!has_mlp) return x;
    const TensorId m = norm(x, layer + ".post_attention_layernorm.weight"), gate = linear(m, mlp + "gate_proj.weight", inner, width_),
                   up = linear(m, mlp + "up_proj.weight", inner, width_), gated = node("swiglu", {gate, up}, {kRows, kLength, inner});
    return node("add", {x, linear(gated, mlp + "down_proj.weight", width_, inner)}, {kRows, kLength, width_});
  }

  static constexpr int64_t kHeadDim = 4;
  std::mt19937_64& random_;
  Graph g_;
  GraphBuilder b_;
  const int64_t heads_ = pick(1, 3), width_ = pick(2, 24), vocabulary_ = pick(3, 40);
};

}  // namespace

Graph random_forward(std::mt19937_64& random) { return Maker(random).make(); }

Graph random_differentiated(std::mt19937_64& random) { return passes::mark_activations(passes::autodiff(random_forward(random))); }

Graph random_training(std::mt19937_64& random) { return passes::step_sums(random_differentiated(random)); }

void add_unknown(Graph& g) {
  const TensorId watched = g.nodes[0].outputs[0];
  {
    GraphBuilder b(g);
    State s;
    s.kind = StateKind::STATISTIC;
    const TensorId seen = b.state(kState, DType::F32, {1}, s);
    b.scope = "newer";
    b.node(kOp, {watched}, {seen}, {{"newer.attribute", attribute(int64_t{3})}}).unknown = kField;
  }
  std::rotate(g.nodes.begin() + 1, g.nodes.end() - 1, g.nodes.end());
  g.unknown = kField;
  g.tensors[1].unknown = kField;
  g.states[0].unknown = kField;
  g.nodes[0].unknown = kField;
  g.inputs[0].unknown = kField;
}

std::string unknown_lost(const Graph& g) {
  const auto is_newer = [&](const Node& n) { return n.op < g.names.size() && op_of(g, n) == kOp; };
  const auto node = std::find_if(g.nodes.begin(), g.nodes.end(), is_newer);
  if (node == g.nodes.end()) return "a node with an unknown operation is lost";
  if (node->unknown != kField) return "an unknown field of a node is lost";
  const Attribute* attribute = find_attribute(g, *node, "newer.attribute");
  if (!attribute || attribute->integer != 3) return "an unknown attribute is lost";
  const auto kept = [](const auto& all) {
    return std::any_of(all.begin(), all.end(), [](const auto& one) { return one.unknown == kField; });
  };
  if (g.unknown != kField) return "an unknown field of the graph is lost";
  if (!kept(g.tensors)) return "an unknown field of a tensor is lost";
  if (!kept(g.states)) return "an unknown field of a state is lost";
  if (!kept(g.inputs)) return "an unknown field of an input is lost";
  return "";
}

Graph without_unknown(Graph g) {
  std::erase_if(g.nodes, [&](const Node& n) { return op_of(g, n) == kOp; });
  return g;
}

}  // namespace corral::validate
