// AdamW with decoupled weight decay and clipping of the global norm. arXiv:1711.05101, arXiv:1412.6980
//   g = gradient * factor;  m += (1-b1)(g - m);  v += (1-b2)(g² - v);  p -= lr (m̂ / (√v̂ + eps) + weight_decay p)
#include "corral/graph.h"
#include "corral/optimizer.h"
#include "options.wire.h"
#include "plugins/optimizer/adamw/schedule.h"

namespace {
using corral::DType;
using corral::Graph;
using corral::GraphBuilder;
using corral::InitKind;
using corral::State;
using corral::StateKind;
using corral::TensorId;

class AdamW final : public corral::Optimizer<corral::options::adamw::Options> {
  Graph transform(Graph g, const Options& o) override {
    const std::vector<State> before = g.states;
    GraphBuilder b(g);
    b.phase = corral::Phase::UPDATE;
    b.scope = "optimizer";
    const TensorId lr = b.input("lr", DType::F64, {1}), step = b.input("step", DType::F64, {1});

    const TensorId squares = b.tensor("clip.squares", DType::F32, {1});
    bool adds = false;
    for (const State& s : before) {
      if (s.kind != StateKind::GRADIENT) continue;
      b.node("sum_of_squares", {s.tensor}, {squares}).accumulate = adds;
      adds = true;
    }
    if (!adds) corral::fail("optimizer.plugin = \"adamw\": nothing to train, the graph has no gradient");
    const Inputs inputs{b.tensor("clip.factor", DType::F32, {1}), b.tensor("clip.finite", DType::F32, {1}), lr, step};
    b.node("clip_factor", {squares, find_state(g, "loss_sum"), find_state(g, "weight_sum")},
           {inputs.factor, find_state(g, "grad_norm"), inputs.finite}, {{"clip", corral::attribute(o.clip_grad)}});

    for (const State& s : before)
      if (s.kind == StateKind::GRADIENT) update(b, s, o, inputs);
    return g;
  }

  corral::StepValues step_values(const Options& o, uint64_t step, uint64_t train_iters) override {
    corral::StepValues reply;
    for (const auto& [name, value] : {std::pair{"lr", corral::adamw::learning_rate(schedule(o, train_iters), static_cast<int64_t>(step))},
                                      std::pair{"step", static_cast<double>(step + 1)}}) {
      corral::StepValue v;
      v.name = name;
      v.value = value;
      reply.values.push_back(v);
    }
    return reply;
  }

  void check(const Options& o, uint64_t train_iters) override {
    corral::adamw::check(schedule(o, train_iters));
    for (const auto& [key, beta] : {std::pair{"adam_beta1", o.adam_beta1}, std::pair{"adam_beta2", o.adam_beta2}})
      if (beta < 0 || beta >= 1) corral::fail("optimizer.{} = {}: expected 0 or more and less than 1", key, beta);
    if (!(o.adam_eps > 0)) corral::fail("optimizer.adam_eps = {}: expected more than 0", o.adam_eps);
    if (o.weight_decay < 0) corral::fail("optimizer.weight_decay = {}: expected 0 or more", o.weight_decay);
    if (o.clip_grad < 0) corral::fail("optimizer.clip_grad = {}: expected 0 (no clipping) or more", o.clip_grad);
  }

  // The scalars of every update.
  struct Inputs {
    TensorId factor, finite, lr, step;
  };

  static void update(GraphBuilder& b, const State& gradient, const Options& o, const Inputs& in) {
    const TensorId parameter = gradient.of;
    const std::string name = name_of(b.g, parameter);
    const corral::Shape shape = b.g.tensors[parameter].shape;
    const auto add_state = [&](const std::string& prefix, StateKind kind, InitKind init) {
      State s;
      s.kind = kind;
      s.init = init;
      s.of = parameter;
      s.saved = true;
      s.saved_name = b.name(prefix + "." + name);
      return b.state(prefix + "." + name, DType::F32, shape, s);
    };
    const bool rounded = b.g.tensors[parameter].dtype != DType::F32;
    const TensorId master = rounded ? add_state("master", StateKind::MASTER, InitKind::COPY) : parameter;
    const TensorId m = add_state("exp_avg", StateKind::MOMENT, InitKind::ZEROS),
                   v = add_state("exp_avg_sq", StateKind::MOMENT, InitKind::ZEROS);
    // Norm weights and biases are scales and offsets: decaying them does not regularize.
    const double decay = shape.size() > 1 ? o.weight_decay : 0.0;
    b.node("adamw", {master, m, v, gradient.tensor, in.factor, in.finite, in.lr, in.step}, {master, m, v, rounded ? parameter : 0},
           {{"beta1", corral::attribute(o.adam_beta1)},
            {"beta2", corral::attribute(o.adam_beta2)},
            {"eps", corral::attribute(o.adam_eps)},
            {"weight_decay", corral::attribute(decay)}});
  }

  static corral::adamw::Schedule schedule(const Options& o, uint64_t train_iters) {
    const int64_t decay = o.lr_decay_iters > 0 ? o.lr_decay_iters : static_cast<int64_t>(train_iters);
    return {o.lr_decay_style, o.lr, o.min_lr, o.lr_warmup_init, o.lr_warmup_iters, decay, o.lr_wsd_decay_iters, o.lr_wsd_decay_style};
  }
};
}  // namespace

CORRAL_PLUGIN(AdamW)
