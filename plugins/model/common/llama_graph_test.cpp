#include "plugins/model/common/llama_graph.h"

#include <gtest/gtest.h>

#include "corral/error.h"
#include "plugins/model/common/rope_frequencies.h"

namespace corral::llama {
namespace {

LlamaShape tiny() { return {2, 48, 112, 6, 2, 16, 320, false, 1e-5, 0.02, 0, rope_frequencies(16, 500000, {})}; }

int64_t count(const LlamaShape& m) {
  int64_t n = 0;
  for (const ParameterInfo& p : parameters(m)) n += elements(p.shape);
  return n;
}

TEST(Llama, HasTheParametersOfTheModelCards) {
  EXPECT_EQ(count({16, 2048, 8192, 32, 8, 64, 128256, true, 1e-5, 0.02, 0, {}}), 1235814400);
  EXPECT_EQ(count({28, 3072, 8192, 24, 8, 128, 128256, true, 1e-5, 0.02, 0, {}}), 3212749824);
  EXPECT_EQ(count({32, 4096, 14336, 32, 8, 128, 128256, false, 1e-5, 0.02, 0, {}}), 8030261248);
  EXPECT_EQ(count({80, 8192, 28672, 64, 8, 128, 128256, false, 1e-5, 0.02, 0, {}}), 70553706496);
  EXPECT_EQ(count({126, 16384, 53248, 128, 8, 128, 128256, false, 1e-5, 0.02, 0, {}}), 405853388800);
}

// Values of transformers 5 (ROPE_INIT_FUNCTIONS["llama3"]), at frequencies around both ends of the blend.
TEST(RopeFrequencies, EqualTransformersForLlama31And32) {
  const auto f31 = rope_frequencies(128, 500000, {8, 1, 4, 8192}), f32 = rope_frequencies(64, 500000, {32, 1, 4, 8192});
  const std::pair<size_t, double> of31[] = {{1, 0.814617217},     {28, 0.00321144611},  {29, 0.00216657063},
                                            {34, 0.000178507791}, {35, 9.55621217e-05}, {63, 3.06892588e-07}};
  const std::pair<size_t, double> of32[] = {
      {1, 0.663601279}, {14, 0.00321144611}, {15, 0.00129054801}, {17, 9.70828623e-05}, {31, 9.41830649e-08}};
  for (const auto& [i, value] : of31) EXPECT_NEAR(f31[i] / value, 1, 2e-7) << i;
  for (const auto& [i, value] : of32) EXPECT_NEAR(f32[i] / value, 1, 2e-7) << i;
}

TEST(Llama, TiedHeadIsTheEmbeddingItself) {
  LlamaShape m = tiny();
  m.tie_word_embeddings = true;
  const Graph g = emit(m, 1, 4);
  TensorId embedding = 0, head = 0;
  for (const Node& n : g.nodes) {
    if (op_of(g, n) == "embedding") embedding = n.inputs[1];
    if (op_of(g, n) == "linear_lse") head = n.inputs[1];
  }
  EXPECT_EQ(embedding, head);
  for (const State& s : g.states) EXPECT_NE(name_of(g, s.tensor), "lm_head.weight");
}

TEST(Llama, EachPlaceOfDropoutHasItsOwnKey) {
  LlamaShape m = tiny();
  m.hidden_dropout = 0.1;
  const Graph g = emit(m, 1, 4);
  std::vector<int64_t> keys;
  for (const Node& n : g.nodes)
    if (op_of(g, n) == "dropout") keys.push_back(find_attribute(g, n, "key")->integer);
  EXPECT_EQ(keys, (std::vector<int64_t>{0, 1, 2, 3}));
}

TEST(Llama, RefusesSizesThatCannotWorkNamingTheKey) {
  const auto message = [](auto change) {
    LlamaShape m = tiny();
    change(m);
    try {
      check(m);
    } catch (const Error& e) {
      EXPECT_EQ(e.exit_code(), 2);
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_NE(message([](LlamaShape& m) { m.num_key_value_heads = 4; }).find("model.num_key_value_heads = 4"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.head_dim = 7; }).find("model.head_dim = 7"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.hidden_size = 0; }).find("model.hidden_size = 0"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.num_hidden_layers = 100'000; }).find("model.num_hidden_layers = 100000"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.head_dim = 1 << 20; }).find("model.head_dim = 1048576"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.initializer_range = -1; }).find("model.initializer_range = -1"), std::string::npos);
  EXPECT_NE(message([](LlamaShape& m) { m.hidden_dropout = 1; }).find("model.hidden_dropout = 1"), std::string::npos);
  EXPECT_EQ(message([](LlamaShape&) {}), "accepted");
}

}  // namespace
}  // namespace corral::llama
