#include <gtest/gtest.h>

#include <algorithm>

#include "corral/graph.h"
#include "corral/test_host.h"
#include "options.wire.h"

namespace {
using namespace corral;

// A matrix and a vector, both trained, and the step's numbers, as the differentiated graph of a model has them.
Graph trained() {
  Graph g;
  GraphBuilder b(g);
  for (const auto& [name, shape] : {std::pair{"weight", Shape{2, 3}}, std::pair{"norm", Shape{3}}}) {
    State parameter;
    parameter.trained = true;
    State gradient;
    gradient.kind = StateKind::GRADIENT;
    gradient.of = b.state(name, DType::F32, shape, parameter);
    b.state(std::string("gradient.") + name, DType::F32, shape, gradient);
  }
  for (const auto& [name, dtype] : {std::pair{"loss_sum", DType::F64}, {"weight_sum", DType::F64}, {"grad_norm", DType::F32}}) {
    State number;
    number.kind = StateKind::STATISTIC;
    b.state(name, dtype, {1}, number);
  }
  return g;
}

class RmsProp : public testing::Test {
 protected:
  void TearDown() override { host_.unload(); }

  TestHost host_{CORRAL_PLUGIN_FILE, CORRAL_OPTIMIZER_ID};
  const corral_optimizer& table_ = host_.table<corral_optimizer>();
};

TEST_F(RmsProp, UpdatesEveryParameterAndDecaysOnlyMatrices) {
  rmsprop::Options o;
  o.decay = 0.9;
  o.weight_decay = 0.1;
  const Graph g = host_.transform(table_.transform, trained(), o);
  std::vector<double> decays;
  for (const Node& n : g.nodes) {
    if (op_of(g, n) != "adamw") continue;
    EXPECT_EQ(find_attribute(g, n, "beta1")->number, 0);
    EXPECT_EQ(find_attribute(g, n, "beta2")->number, 0.9);
    decays.push_back(find_attribute(g, n, "weight_decay")->number);
  }
  EXPECT_EQ(decays, (std::vector<double>{0.1, 0}));
  EXPECT_TRUE(std::any_of(g.nodes.begin(), g.nodes.end(),
                          [&](const Node& n) { return op_of(g, n) == "clip_factor" && n.outputs[1] == find_state(g, "grad_norm"); }));
}

TEST_F(RmsProp, NamesTheOptionThatCannotBe) {
  StepRequest request;
  rmsprop::Options o;
  o.decay = 1;
  request.options = o.encode();
  try {
    host_.call(table_.check, request);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "optimizer.decay = 1: expected 0 or more and less than 1");
  }
}
}  // namespace
