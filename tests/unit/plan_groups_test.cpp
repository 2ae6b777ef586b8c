#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "corral/error.h"
#include "kernel/graph/print.h"
#include "kernel/graph/read.h"
#include "kernel/graph/verify.h"
#include "kernel/passes/accumulation.h"
#include "kernel/passes/autodiff.h"
#include "kernel/passes/group_updates.h"
#include "kernel/passes/step_sums.h"
#include "kernel/plan/arena.h"
#include "tests/unit/passes_small_model.h"

namespace corral {
namespace {

// The small model with an update of every parameter; matrices decay.
Graph small_training(bool alone = false) {
  Graph g = passes::autodiff(small_model(false, 6, 12));
  if (alone) g = passes::write_gradients(std::move(g));
  g = passes::step_sums(std::move(g));
  const std::vector<State> before = g.states;
  GraphBuilder b(g);
  b.phase = Phase::UPDATE;
  b.scope = "optimizer";
  const TensorId squares = b.tensor("squares", DType::F32, {1}), factor = b.tensor("factor", DType::F32, {1}),
                 finite = b.tensor("finite", DType::F32, {1}), lr = b.input("lr", DType::F64, {1}), step = b.input("step", DType::F64, {1});
  bool adds = false;
  for (const State& s : before) {
    if (s.kind != StateKind::GRADIENT) continue;
    b.node("sum_of_squares", {s.tensor}, {squares}).accumulate = adds;
    adds = true;
  }
  b.node("clip_factor", {squares, find_state(g, "loss_sum"), find_state(g, "weight_sum")}, {factor, find_state(g, "grad_norm"), finite});
  for (const State& s : before) {
    if (s.kind != StateKind::GRADIENT) continue;
    State moment;
    moment.kind = StateKind::MOMENT;
    moment.of = s.of;
    const Shape shape = g.tensors[s.of].shape;
    const TensorId m = b.state("m." + name_of(g, s.of), DType::F32, shape, moment),
                   v = b.state("v." + name_of(g, s.of), DType::F32, shape, moment);
    b.node("adamw", {s.of, m, v, s.tensor, factor, finite, lr, step}, {s.of, m, v, 0},
           {{"weight_decay", attribute(shape.size() > 1 ? 0.1 : 0.0)}});
  }
  return g;
}

size_t count(const Graph& g, const std::string& op, When when = When::EVERY) {
  return static_cast<size_t>(
      std::count_if(g.nodes.begin(), g.nodes.end(), [&](const Node& n) { return op_of(g, n) == op && n.when == when; }));
}

TEST(GroupUpdates, LeaveAllNumbersAsTheyAre) {
  for (const bool alone : {false, true}) {
    const Graph plain = small_training(alone), g = passes::group_updates(plain);
    graph::verify(g);
    graph::Interpreter expected(plain), run(g);
    for (int step = 0; step < 2; ++step)
      for (graph::Interpreter* each : {&expected, &run}) {
        const Graph& of = each == &run ? g : plain;
        if (step == 0) fill_small_model(of, *each);
        // Twelve layers of weights near 1 would overflow.
        for (const State& s : of.states)
          if (step == 0 && s.kind == StateKind::PARAMETER)
            for (double& x : (*each)[s.tensor]) x *= 0.3;
        (*each)[find_port(of, of.inputs, "lr")] = {0.01};
        (*each)[find_port(of, of.inputs, "step")] = {static_cast<double>(step + 1)};
        each->run_all();
      }
    ASSERT_TRUE(std::isfinite(expected.named("grad_norm")[0]));
    for (const State& s : plain.states)
      for (size_t i = 0; i < expected[s.tensor].size(); ++i)
        EXPECT_NEAR(run[s.tensor][i], expected[s.tensor][i], 1e-12) << name_of(plain, s.tensor);
  }
}

TEST(GroupUpdates, JoinNodesOfEqualAttributesInGroupsOfASixteenthAtMost) {
  const Graph plain = small_training(), g = passes::group_updates(plain);
  EXPECT_EQ(count(plain, "adamw"), 1u + 12 * 7);
  EXPECT_LT(count(g, "adamw"), 30u);
  EXPECT_EQ(count(g, "sum_of_squares"), count(g, "adamw"));
  EXPECT_LT(count(g, "fill", When::FIRST), count(plain, "fill", When::FIRST));
  int64_t total = 0;
  for (const State& s : g.states)
    if (s.kind == StateKind::GRADIENT) total += group_elements(g, s.tensor);
  bool joined = false;
  for (const Group& group : g.groups) {
    joined = joined || group.members.size() > 1;
    EXPECT_TRUE(group.members.size() == 1 || elements(g.tensors[group.tensor].shape) <= total / 16) << name_of(g, group.tensor);
    const auto is_vector = [&](TensorId t) {
      const auto state = std::find_if(g.states.begin(), g.states.end(), [&](const State& s) { return s.tensor == t; });
      return g.tensors[state->of ? state->of : t].shape.size() == 1;
    };
    for (const TensorId t : group.members) EXPECT_EQ(is_vector(t), is_vector(group.members[0])) << name_of(g, t);
  }
  EXPECT_TRUE(joined);
}

TEST(GroupUpdates, MembersAreSideBySideInMemory) {
  for (const bool alone : {false, true}) {
    const Graph g = passes::group_updates(small_training(alone));
    const plan::Arena arena = plan::plan_in_order({&g}, 0);
    ASSERT_FALSE(g.groups.empty());
    for (const Group& group : g.groups) {
      uint64_t at = arena.offsets[0][group.tensor];
      ASSERT_NE(at, plan::Arena::kAbsent);
      for (const TensorId t : group.members) {
        EXPECT_EQ(arena.offsets[0][t], at) << name_of(g, t);
        at += bytes_of(g.tensors[t].dtype, group_elements(g, t));
      }
    }
  }
}

TEST(GroupUpdates, GroupsAreInTheTextOfAGraph) {
  const std::string text = graph::text_of(passes::group_updates(small_training()));
  EXPECT_NE(text.find("\ngroup  %"), std::string::npos);
  EXPECT_EQ(graph::text_of(graph::read(text)), text);
}

TEST(GroupUpdates, AGroupThatIsNotWhatItSaysIsRefused) {
  const Graph g = passes::group_updates(small_training());
  const auto refused = [](Graph bad, const char* reason) {
    try {
      graph::verify(bad);
      ADD_FAILURE() << "accepted: " << reason;
    } catch (const Error& e) {
      EXPECT_NE(std::string(e.what()).find(reason), std::string::npos) << e.what();
    }
  };
  Graph bad = g;
  bad.groups.push_back(bad.groups[0]);
  refused(bad, "another group, too");
  bad = g;
  bad.groups[1].members[0] = bad.groups[0].members[0];
  refused(bad, "is in two groups");
  bad = g;
  bad.tensors[bad.groups[0].tensor].shape[0] += 1;
  refused(bad, "elements");
  bad = g;
  bad.groups[0].members[0] = bad.inputs[0].tensor;
  refused(bad, "not a state");
  bad = g;
  bad.tensors[bad.groups[0].tensor].dtype = DType::F64;
  refused(bad, "another type");
}

}  // namespace
}  // namespace corral
