// Plain Adam, which breaks a promise of optimizers where $CORRAL_TEST_FAULT says which.
#include <string_view>

#include "corral/graph.h"
#include "corral/optimizer.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;

class Faulty final : public Optimizer<NoOptions> {
  Graph transform(Graph g, const NoOptions&) override {
    const std::vector<State> before = g.states;
    GraphBuilder b(g);
    b.phase = Phase::UPDATE;
    b.scope = "optimizer";
    const TensorId lr = b.input("lr", DType::F64, {1}), step = b.input("step", DType::F64, {1});
    const auto scalar = [&](const char* name) { return b.tensor(name, DType::F32, {1}); };
    const TensorId squares = scalar("squares"), factor = scalar("factor"), finite = scalar("finite"), always = scalar("always");
    bool adds = false;
    for (const State& s : before) {
      if (s.kind != StateKind::GRADIENT) continue;
      b.node("sum_of_squares", {s.tensor}, {squares}).accumulate = adds;
      adds = true;
    }
    const TensorId norm = fault("forget the norm") ? scalar("norm") : find_state(g, "grad_norm");
    b.node("clip_factor", {squares, find_state(g, "loss_sum"), find_state(g, "weight_sum")}, {factor, norm, finite});
    b.node("fill", {factor}, {always}, {{"value", attribute(1.0)}});
    const TensorId flag = fault("update always") ? always : finite;
    for (const State& s : before) {
      if (s.kind != StateKind::GRADIENT) continue;
      State moment;
      moment.kind = StateKind::MOMENT;
      moment.of = s.of;
      moment.saved = true;
      const auto add = [&](const std::string& name) {
        return b.state(name + name_of(g, s.of), DType::F32, Shape(g.tensors[s.of].shape), moment);
      };
      const TensorId m = add("m."), v = add("v.");
      b.node("adamw", {s.of, m, v, s.tensor, factor, flag, lr, step}, {s.of, m, v, 0});
    }
    return g;
  }

  StepValues step_values(const NoOptions&, uint64_t step, uint64_t) override {
    StepValues values;
    values.values.resize(2);
    values.values[0].name = "lr";
    values.values[0].value = 0.1;
    values.values[1].name = "step";
    values.values[1].value = static_cast<double>(step + 1);
    return values;
  }

  void check(const NoOptions&, uint64_t) override {}
};
}  // namespace

CORRAL_PLUGIN(Faulty)
