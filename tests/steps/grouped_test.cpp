// One launch for many tensors.
#include <gtest/gtest.h>

#include "kernel/plugin/registry.h"
#include "kernel/train/pipeline.h"
#include "plugins/model/llama31/options.wire.h"
#include "plugins/optimizer/adamw/options.wire.h"
#include "tests/steps/small_training.h"

namespace corral {
namespace {

TEST(GroupedUpdates, GiveTheSameBytesWhereNothingIsClipped) {
  options::adamw::Options o;
  o.clip_grad = 0;
  for (const std::string precision : {"fp32", "bf16"}) {
    SmallTraining grouped(precision, o.encode()), plain(precision, o.encode(), false);
    const train::Batch batch = plain.batch();
    for (int i = 0; i < 3; ++i) {
      const double norm = plain.train({batch, batch}).grad_norm;
      EXPECT_NEAR(grouped.train({batch, batch}).grad_norm, norm, 1e-6 * norm);
    }
    EXPECT_EQ(grouped.saved(), plain.saved());
  }
}

// Llama 3.1 in its three sizes: every tensor of the true shape, no memory behind it.
TEST(GroupedUpdates, AModelOfAnySizeIsUpdatedInFiftyLaunches) {
  Registry plugins({CORRAL_BINARY_DIR "/plugins"});
  struct Size {
    int64_t layers, hidden, intermediate, heads;
  };
  for (const Size& size : {Size{32, 4096, 14336, 32}, Size{80, 8192, 28672, 64}, Size{126, 16384, 53248, 128}})
    for (const bool alone : {false, true}) {
      options::llama31::Options o;
      o.num_hidden_layers = size.layers;
      o.hidden_size = size.hidden;
      o.intermediate_size = size.intermediate;
      o.num_attention_heads = size.heads;
      o.num_key_value_heads = 8;
      o.head_dim = 128;
      o.vocab_size = 128256;
      const train::Pipeline pipeline({ModelHandle(plugins.load("model", "llama31")), o.encode()},
                                     {PrecisionHandle(plugins.load("precision", "bf16")), ""});
      const Graph g = pipeline.training(1, 64, {OptimizerHandle(plugins.load("optimizer", "adamw")), ""}, alone).graph;
      size_t trained = 0, launches = 0, others = 0;
      for (const State& s : g.states) trained += s.kind == StateKind::GRADIENT;
      for (const Node& n : g.nodes) {
        launches += n.phase == Phase::UPDATE;
        others += n.phase == Phase::UPDATE && op_of(g, n) != "adamw" && op_of(g, n) != "sum_of_squares";
      }
      EXPECT_EQ(trained, static_cast<size_t>(9 * size.layers + 3));
      EXPECT_GT(launches, 16u);
      EXPECT_LE(launches, 50u);
      EXPECT_EQ(others, 1u);
    }
}

}  // namespace
}  // namespace corral
