// The passes of lora and dora on a graph: training, start, merge, unknown nodes, options.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <random>

#include "corral/error.h"
#include "kernel/graph/interpreter.h"
#include "kernel/graph/verify.h"
#include "kernel/plan/arena.h"
#include "kernel/plugin/registry.h"
#include "kernel/train/pipeline.h"
#include "plugins/model/llama3/options.wire.h"
#include "plugins/optimizer/adamw/options.wire.h"
#include "plugins/peft/dora/options.wire.h"
#include "plugins/peft/lora/options.wire.h"

namespace corral {
namespace {
using train::Chosen;
using train::Pipeline;

Registry& plugins() {
  static Registry registry({CORRAL_BINARY_DIR "/plugins"});
  return registry;
}

PeftHandle method(const std::string& name) { return PeftHandle(plugins().load("peft", name)); }

template <class Options>
std::string options(const std::vector<std::string>& targets, double dropout = 0, int64_t dim = 4) {
  Options o;
  o.target_modules = targets;
  o.dropout = dropout;
  o.dim = dim;
  o.alpha = 8;
  return o.encode();
}
std::string options_of(const std::string& name, const std::vector<std::string>& targets, double dropout = 0, int64_t dim = 4) {
  return name == "lora" ? options<options::lora::Options>(targets, dropout, dim) : options<options::dora::Options>(targets, dropout, dim);
}

Pipeline small_llama() {
  options::llama3::Options o;
  o.num_hidden_layers = 3;
  o.hidden_size = 32;
  o.intermediate_size = 48;
  o.num_attention_heads = 4;
  o.num_key_value_heads = 2;
  o.head_dim = 8;
  o.vocab_size = 64;
  return Pipeline({ModelHandle(plugins().load("model", "llama3")), o.encode()}, {PrecisionHandle(plugins().load("precision", "bf16")), ""});
}

Graph training(const std::string& peft, const std::vector<std::string>& targets) {
  Pipeline pipeline = small_llama();
  if (!peft.empty()) pipeline.set_peft({method(peft), options_of(peft, targets)});
  return pipeline.training(2, 16, {OptimizerHandle(plugins().load("optimizer", "adamw")), options::adamw::Options().encode()}).graph;
}

uint64_t bytes_of_class(const Graph& g, const std::string& name) {
  for (const plan::MemoryClass& c : plan::plan_in_order({&g}, 0).classes)
    if (c.name == name) return c.bytes;
  return 0;
}

TEST(PeftPass, FrozenWeightsKeepNoGradientMasterOrMoment) {
  for (const std::string peft : {"lora", "dora"}) {
    const Graph g = training(peft, {});
    uint64_t trained = 0, rounded = 0;
    for (const State& s : g.states) {
      if (s.kind == StateKind::PARAMETER && s.trained) {
        const auto bytes = bytes_of(DType::F32, group_elements(g, s.tensor));
        trained += bytes;
        if (g.tensors[s.tensor].dtype == DType::BF16) rounded += bytes;
        EXPECT_NE(name_of(g, s.tensor).find(".lora_"), std::string::npos) << name_of(g, s.tensor);
      }
      const bool belongs = s.kind == StateKind::GRADIENT || s.kind == StateKind::MASTER || s.kind == StateKind::MOMENT;
      EXPECT_TRUE(!belongs || name_of(g, s.of).find(".lora_") != std::string::npos) << name_of(g, s.tensor);
    }
    EXPECT_GT(trained, 0u);
    EXPECT_EQ(bytes_of_class(g, "gradients"), trained);
    EXPECT_EQ(bytes_of_class(g, "moments"), 2 * trained);
    EXPECT_EQ(bytes_of_class(g, "masters"), rounded);
    const Graph full = training("", {});
    EXPECT_GT(bytes_of_class(full, "gradients"), 2 * trained);
    EXPECT_GT(bytes_of_class(full, "activations"), 0u);
  }
}

TEST(PeftPass, NothingRunsBackwardBelowTheFirstAdapter) {
  for (const std::string peft : {"lora", "dora"}) {
    const Graph g = training(peft, {"*.layers.2.*.linear_qkv"}), all = training(peft, {"linear_qkv"});
    size_t backward = 0;
    for (const Node& n : g.nodes) {
      if (n.phase != Phase::BACKWARD) continue;
      ++backward;
      const std::string& scope = g.names[n.scope];
      EXPECT_TRUE(scope == "layers.2" || scope == "head") << op_of(g, n) << " in " << scope;
      // The layer of the first adapter computes no gradient of its own input either.
      EXPECT_FALSE(scope == "layers.2" && op_of(g, n) == "rms_norm_backward" && n.inputs[1] != 0 &&
                   name_of(g, n.inputs[1]).find("input_layernorm") != std::string::npos);
    }
    EXPECT_GT(backward, 0u);
    EXPECT_LT(bytes_of_class(g, "activations"), bytes_of_class(all, "activations"));
  }
}

// A graph of one linear layer: y = W x.
Graph one_linear() {
  Graph g;
  GraphBuilder b(g);
  const TensorId x = b.input("x", DType::F32, {2, 3, 10});
  b.input("token_index", DType::I64, {2, 3});
  b.input("seed", DType::I64, {2});
  State s;
  s.trained = true;
  b.scope = "layers.0";
  const TensorId w = b.state("model.layers.0.self_attn.q_proj.weight", DType::F32, {7, 10}, s), y = b.tensor("y", DType::F32, {2, 3, 7});
  b.node("product", {x, w}, {y}, {{"role", attribute(std::string("fprop"))}});
  b.output("y", y);
  return g;
}

void fill(const Graph& g, graph::Interpreter& run) {
  const auto random = [&](TensorId t, double low, double high) {
    std::mt19937_64 source(std::hash<std::string>()(name_of(g, t)));
    for (double& v : run[t]) v = std::uniform_real_distribution<double>(low, high)(source);
  };
  for (const State& s : g.states)
    if (s.kind == StateKind::PARAMETER)
      random(s.tensor, name_of(g, s.tensor).find("magnitude") == std::string::npos ? -0.7 : 0.5,
             name_of(g, s.tensor).find("magnitude") == std::string::npos ? 0.7 : 2.0);
  random(find_port(g, g.inputs, "x"), -1, 1);
  std::vector<double>& token_index = run[find_port(g, g.inputs, "token_index")];
  for (size_t i = 0; i < token_index.size(); ++i) token_index[i] = static_cast<double>(i);
}

TEST(PeftPass, DropoutKeepsTheMeanOfTheOutput) {
  for (const std::string peft : {"lora", "dora"}) {
    const std::string o = options_of(peft, {"q_proj"}, 0.3);
    const Graph plain = method(peft).transform(one_linear(), o, true), dropping = method(peft).transform(one_linear(), o, false);
    graph::verify(dropping);
    graph::Interpreter expected(plain), run(dropping);
    fill(plain, expected);
    fill(dropping, run);
    expected.run_all();
    const std::vector<double>& mean = expected[find_port(plain, plain.outputs, "y")];
    constexpr int kSeeds = 400;
    std::vector<double> sum(mean.size()), squares(mean.size());
    for (int seed = 0; seed < kSeeds; ++seed) {
      run[find_port(dropping, dropping.inputs, "seed")] = {static_cast<double>(seed), 5};
      run.run_all();
      const std::vector<double>& y = run[find_port(dropping, dropping.outputs, "y")];
      for (size_t i = 0; i < y.size(); ++i) sum[i] += y[i], squares[i] += y[i] * y[i];
    }
    double spread = 0;
    for (size_t i = 0; i < mean.size(); ++i) {
      const double average = sum[i] / kSeeds, variance = squares[i] / kSeeds - average * average;
      spread = std::max(spread, variance);
      EXPECT_NEAR(average, mean[i], 4 * std::sqrt(variance / kSeeds)) << peft << " " << i;
    }
    EXPECT_GT(spread, 1e-3) << peft << ": nothing was dropped";
  }
}

TEST(PeftPass, StartsAsTheFunctionOfTheModelItself) {
  for (const std::string peft : {"lora", "dora"}) {
    const std::string o = options_of(peft, {"q_proj"}, 0, 20);  // the rank 20 is larger than either side of W
    const Graph base = one_linear(), g = method(peft).transform(base, o, true), start = method(peft).initialize(base, o);
    graph::verify(start);
    graph::Interpreter expected(base), run(g), first(start);
    fill(base, expected);
    fill(g, run);
    for (const State& s : start.states) first[s.tensor] = run.named(name_of(start, s.tensor));
    first.run_all();
    for (const State& s : g.states) {
      const std::string& name = name_of(g, s.tensor);
      if (name.find("lora_B") != std::string::npos) std::fill(run[s.tensor].begin(), run[s.tensor].end(), 0);
      if (name.find("magnitude") != std::string::npos) run[s.tensor] = first.named(name);
    }
    expected.run_all();
    run.run_all();
    const std::vector<double>&want = expected.named("y"), &got = run.named("y");
    for (size_t i = 0; i < want.size(); ++i) EXPECT_NEAR(got[i], want[i], 1e-12) << peft;
  }
}

TEST(PeftPass, MergesIntoTheFunctionThatItTrains) {
  for (const std::string peft : {"lora", "dora"}) {
    const std::string o = options_of(peft, {"q_proj"}, 0.1);
    const Graph base = one_linear(), g = method(peft).transform(base, o, true), merging = method(peft).merge(base, o);
    graph::verify(merging);
    graph::Interpreter run(g), merge(merging), plain(base);
    fill(g, run);
    fill(base, plain);
    for (const State& s : merging.states) merge[s.tensor] = run.named(name_of(merging, s.tensor));
    merge.run_all();
    run.run_all();
    ASSERT_EQ(merging.outputs.size(), 1u);
    plain.named("model.layers.0.self_attn.q_proj.weight") =
        merge[find_port(merging, merging.outputs, "model.layers.0.self_attn.q_proj.weight")];
    plain.run_all();
    for (size_t i = 0; i < run.named("y").size(); ++i) EXPECT_NEAR(plain.named("y")[i], run.named("y")[i], 1e-12) << peft;
  }
}

TEST(PeftPass, KeepsNodesAndFieldsThatItDoesNotKnow) {
  const std::string field{'\xc2', '\x3e', '\x01', 'x'};  // protobuf field 1000: one byte, "x"
  for (const std::string peft : {"lora", "dora"}) {
    Graph g = one_linear();
    GraphBuilder b(g);
    State s;
    s.kind = StateKind::STATISTIC;
    b.node("newer.watch", {g.nodes[0].outputs[0]}, {b.state("seen", DType::F32, {1}, s)}, {{"newer.attribute", attribute(int64_t{3})}})
        .unknown = field;
    g.unknown = g.tensors[1].unknown = g.states[0].unknown = g.nodes[0].unknown = field;
    const Graph after = method(peft).transform(g, options_of(peft, {"q_proj"}), true);
    EXPECT_EQ(after.unknown, field);
    EXPECT_EQ(after.tensors[1].unknown, field);
    EXPECT_EQ(after.states[0].unknown, field);
    size_t kept = 0;
    for (const Node& n : after.nodes) kept += n.unknown == field;
    EXPECT_EQ(kept, 2u);
  }
}

TEST(PeftPass, RefusesImpossibleOptionsNamingTheKey) {
  const auto error = [](int64_t dim, double dropout, std::vector<std::string> targets) {
    try {
      method("lora").transform(one_linear(), options_of("lora", targets, dropout, dim), true);
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2);
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(error(0, 0, {"q_proj"}).find("peft.dim = 0: expected"), std::string::npos);
  EXPECT_NE(error(4, 1, {"q_proj"}).find("peft.dropout = 1: expected"), std::string::npos);
  EXPECT_NE(error(4, 0, {"q_porj"}).find("did you mean \"q_proj\"?"), std::string::npos);
}

}  // namespace
}  // namespace corral
