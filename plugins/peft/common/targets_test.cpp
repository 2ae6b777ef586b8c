#include "plugins/peft/common/targets.h"

#include <gtest/gtest.h>

#include "corral/error.h"
#include "plugins/peft/common/test_model.h"

namespace corral::lowrank {
namespace {

// The groups as text, "GROUP: member, member …".
std::vector<std::string> chosen(const std::vector<std::string>& targets) {
  const std::vector<Linear> all = linears(test_model());
  std::vector<std::string> result;
  for (const Group& group : choose_targets(all, targets)) {
    std::string text = group.module + ":";
    for (const size_t i : group.members) text += " " + all[i].module.substr(all[i].module.rfind('.') + 1);
    result.push_back(text);
  }
  return result;
}

std::string error_of(const std::vector<std::string>& targets) {
  try {
    chosen(targets);
  } catch (const Error& e) {
    return e.what();
  }
  return "accepted";
}

TEST(Targets, AreNamedAsByHuggingFaceOrMegatronOneByOneOrFused) {
  const std::vector<std::string> q{"model.layers.0.self_attn.q_proj: q_proj", "model.layers.1.self_attn.q_proj: q_proj"};
  EXPECT_EQ(chosen({"q_proj"}), q);
  EXPECT_EQ(chosen({"self_attn.q_proj"}), q);
  EXPECT_EQ(chosen({"linear_q"}), q);
  EXPECT_EQ(
      chosen({"linear_qkv", "linear_fc2"}),
      (std::vector<std::string>{"model.layers.0.self_attn.linear_qkv: q_proj k_proj v_proj", "model.layers.0.mlp.down_proj: down_proj",
                                "model.layers.1.self_attn.linear_qkv: q_proj k_proj v_proj", "model.layers.1.mlp.down_proj: down_proj"}));
  EXPECT_EQ(chosen({"linear_fc1", "linear_proj"}).size(), 4u);
  EXPECT_EQ(chosen({"linear_fc1_up", "linear_fc1_gate"}), chosen({"up_proj", "gate_proj"}));
}

TEST(Targets, APatternChoosesLayers) {
  EXPECT_EQ(chosen({"*.layers.1.*.linear_qkv"}), (std::vector<std::string>{"model.layers.1.self_attn.linear_qkv: q_proj k_proj v_proj"}));
  EXPECT_EQ(chosen({"layers.0.mlp.*_proj"}).size(), 3u);
  EXPECT_EQ(chosen({"decoder.layers.1.self_attention.linear_v"}), (std::vector<std::string>{"model.layers.1.self_attn.v_proj: v_proj"}));
  EXPECT_EQ(chosen({"*"}).size(), 14u);
}

TEST(Targets, AMissingOneIsRefusedWithTheNearestAndAList) {
  const std::string text = error_of({"q_proj", "linear_qvk"});
  EXPECT_NE(text.find("peft.target_modules[1] = \"linear_qvk\": no such module in the model\n       did you mean \"linear_qkv\"?\n"
                      "       there are: q_proj, k_proj"),
            std::string::npos)
      << text;
  EXPECT_NE(error_of({"*.layers.2.*"}).find("no such module"), std::string::npos);
  EXPECT_NE(error_of({"linear_qkv", "q_proj"}).find("both name model.layers.0.self_attn.q_proj"), std::string::npos);
}

TEST(Targets, WholeModulesAreFoundByNameAndATiedHeadIsTheEmbedding) {
  const Graph g = test_model(), tied = test_model(1, true);
  const auto names = [](const Graph& graph, const std::vector<std::string>& modules) {
    std::vector<std::string> all;
    for (const size_t i : choose_whole(graph, modules)) all.push_back(name_of(graph, graph.states[i].tensor));
    return all;
  };
  EXPECT_EQ(names(g, {"lm_head"}), std::vector<std::string>{"lm_head.weight"});
  EXPECT_EQ(names(tied, {"lm_head"}), std::vector<std::string>{"model.embed_tokens.weight"});
  EXPECT_EQ(names(tied, {"lm_head", "embed_tokens"}).size(), 1u);
  EXPECT_EQ(names(g, {"norm"}), std::vector<std::string>{"model.norm.weight"});
  EXPECT_EQ(names(g, {"norms"}).size(), 3u);
  EXPECT_THROW(names(g, {"lm_heat"}), Error);
}

TEST(Targets, ShortNamesStandOnlyForAllThatEndWithThem) {
  const std::vector<std::string> all{"a.0.q_proj", "a.1.q_proj", "b.norm", "a.0.input_norm"};
  EXPECT_EQ(shortest_names({"a.0.q_proj", "a.1.q_proj"}, all), std::vector<std::string>{"q_proj"});
  EXPECT_EQ(shortest_names({"a.0.q_proj"}, all), std::vector<std::string>{"a.0.q_proj"});
  EXPECT_EQ(shortest_names({"b.norm"}, all), std::vector<std::string>{"b.norm"});  // "norm" would make peft train a.0.input_norm too
}

}  // namespace
}  // namespace corral::lowrank
