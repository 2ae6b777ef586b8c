#include "plugins/model/common/config_keys.h"

#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "plugins/model/common/config_json.h"

namespace corral::llama {
namespace {
using nlohmann::json;

const json kConfig =
    json::parse(R"({"_name_or_path":"x","architectures":["LlamaForCausalLM"],"attention_bias":false,"attention_dropout":0.0,
    "bos_token_id":1,"eos_token_id":[2],"head_dim":16,"hidden_act":"silu","hidden_size":48,"initializer_range":0.02,
    "intermediate_size":112,"max_position_embeddings":512,"mlp_bias":false,"model_type":"llama","num_attention_heads":4,
    "num_hidden_layers":2,"num_key_value_heads":2,"pad_token_id":0,"pretraining_tp":1,"rms_norm_eps":1e-05,
    "rope_scaling":{"factor":8.0,"high_freq_factor":4.0,"low_freq_factor":1.0,"original_max_position_embeddings":64,"rope_type":"llama3"},
    "rope_theta":500000.0,"tie_word_embeddings":true,"torch_dtype":"bfloat16","transformers_version":"4.43.0","use_cache":true,
    "vocab_size":320,"colour":"red"})");

std::map<std::string, ConfigKey> report(const json& config) {
  std::map<std::string, ConfigKey> all;
  for (const ConfigKey& k : explain_config_json(config.dump()).keys) all[k.key] = k;
  return all;
}

json another(const json& value) {
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>() + 1;
  if (value.is_number()) return value.get<double>() * 2 + 1;
  if (value.is_string()) return "other";
  if (value.is_array()) return json::array({7});
  return nullptr;
}

TEST(ConfigKeys, KeysReportedAsUsedMatterAndIgnoredOnesDoNot) {
  const LlamaConfig before = read_config_json(kConfig.dump());
  size_t used = 0, ignored = 0;
  for (const auto& [key, value] : kConfig.items()) {
    json changed = kConfig;
    changed[key] = another(value);
    bool matters = true;
    try {
      matters = !(read_config_json(changed.dump()) == before);
    } catch (const Error&) {
    }
    const ConfigKey said = report(kConfig).at(key);
    EXPECT_EQ(said.use == ConfigKey_Use::USED, matters) << key;
    EXPECT_EQ(said.why.empty(), matters) << key;
    ++(matters ? used : ignored);
  }
  EXPECT_EQ(used, 20u);
  EXPECT_EQ(ignored, 8u);
  EXPECT_EQ(report(kConfig).at("colour").why, "not a key of Llama 3");
  EXPECT_EQ(explain_config_json(kConfig.dump()).made_by, "transformers 4.43.0");
}

TEST(ConfigKeys, ReportsUnsupportedKeysAndExplainsTheOthersToo) {
  json config = kConfig;
  config["hidden_act"] = "gelu";
  config["attention_bias"] = true;
  config["partial_rotary_factor"] = 0.5;
  config["rope_scaling"]["rope_type"] = "yarn";
  config["quantization_config"] = {{"bits", 4}};
  config["num_hidden_layers"] = "two";
  const auto all = report(config);
  for (const char* key :
       {"hidden_act", "attention_bias", "partial_rotary_factor", "rope_scaling", "quantization_config", "num_hidden_layers"})
    EXPECT_EQ(all.at(key).use, ConfigKey_Use::UNSUPPORTED) << key;
  EXPECT_EQ(all.at("hidden_act").why, "hidden_act = \"gelu\": expected \"silu\"");
  EXPECT_EQ(all.at("hidden_size").use, ConfigKey_Use::USED);
  EXPECT_THROW(read_config_json(config.dump()), Error);
}

TEST(ConfigKeys, OfTwoSpellingsTheOneThatCountsIsUsed) {
  json config = kConfig;
  config["dtype"] = "float16";
  config["rope_parameters"] = config["rope_scaling"];
  config["rope_parameters"]["beta"] = 3;
  config["head_dim"] = nullptr;
  const auto all = report(config);
  EXPECT_EQ(all.at("dtype").use, ConfigKey_Use::USED);
  EXPECT_EQ(all.at("torch_dtype").why, "dtype is used instead");
  EXPECT_EQ(all.at("rope_scaling").why, "rope_parameters is used instead");
  EXPECT_EQ(all.at("rope_parameters.factor").use, ConfigKey_Use::USED);
  EXPECT_EQ(all.at("rope_parameters.beta").use, ConfigKey_Use::IGNORED);
  EXPECT_EQ(all.at("head_dim").why, "null: treated as missing");
  EXPECT_FALSE(all.contains("rope_scaling.factor"));
}

}  // namespace
}  // namespace corral::llama
