#include "plugins/model/common/config_json.h"

#include <gtest/gtest.h>

#include "corral/error.h"

namespace corral::llama {
namespace {

const char* kStyle4 =
    R"({"model_type":"llama","hidden_size":48,"intermediate_size":112,"num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,
        "vocab_size":320,"rope_theta":500000.0,"rms_norm_eps":1e-05,"torch_dtype":"bfloat16","bos_token_id":304,"eos_token_id":[305,312],
        "max_position_embeddings":512,"rope_scaling":{"factor":8.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
        "original_max_position_embeddings":64,"rope_type":"llama3"}})";
const char* kStyle5 =
    R"({"model_type":"llama","hidden_size":48,"intermediate_size":112,"num_attention_heads":4,"num_hidden_layers":2,"num_key_value_heads":2,
        "vocab_size":320,"rms_norm_eps":1e-05,"dtype":"bfloat16","bos_token_id":304,"eos_token_id":[305,312],"head_dim":12,
        "max_position_embeddings":512,"rope_parameters":{"factor":8.0,"high_freq_factor":4.0,"low_freq_factor":1.0,
        "original_max_position_embeddings":64,"rope_type":"llama3","rope_theta":500000.0}})";

TEST(ConfigJson, TheSpellingsOfTransformers4And5MeanTheSame) {
  const LlamaConfig a = read_config_json(kStyle4), b = read_config_json(kStyle5);
  EXPECT_EQ(a, b);
  EXPECT_EQ(a.head_dim, 12);
  EXPECT_EQ(a.rope_factor, 8);
  EXPECT_EQ(a.rope_theta, 500000);
  EXPECT_EQ(a.eos_token_ids, (std::vector<int64_t>{305, 312}));
}

TEST(ConfigJson, AWrittenFileReadsBackEqual) {
  const LlamaConfig c = read_config_json(kStyle4);
  EXPECT_EQ(read_config_json(write_config_json(c)), c);
}

struct Bad {
  const char* from;
  const char* to;
  const char* message;
};

class RefusedConfig : public testing::TestWithParam<Bad> {};

TEST_P(RefusedConfig, NamesTheKey) {
  std::string text = kStyle4;
  const size_t at = text.find(GetParam().from);
  ASSERT_NE(at, std::string::npos);
  text.replace(at, std::string(GetParam().from).size(), GetParam().to);
  try {
    read_config_json(text);
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    EXPECT_NE(std::string(e.what()).find(GetParam().message), std::string::npos) << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(Table, RefusedConfig,
                         testing::Values(Bad{"\"model_type\":\"llama\"", "\"attention_bias\":true", "attention_bias = true"},
                                         Bad{"\"model_type\":\"llama\"", "\"mlp_bias\":true", "mlp_bias = true"},
                                         Bad{"\"model_type\":\"llama\"", "\"model_type\":\"mistral\"", "model_type = \"mistral\""},
                                         Bad{"\"model_type\":\"llama\"", "\"hidden_act\":\"gelu\"", "hidden_act = \"gelu\""},
                                         Bad{"\"rope_type\":\"llama3\"", "\"rope_type\":\"yarn\"", "rope_scaling.rope_type = \"yarn\""},
                                         Bad{"\"factor\":8.0", "\"factor\":8.0,\"partial_rotary_factor\":0.5",
                                             "rope_scaling.partial_rotary_factor = 0.5"},
                                         Bad{"\"factor\":8.0,", "", "\"rope_scaling.factor\" is missing"},
                                         Bad{"\"original_max_position_embeddings\":64", "\"original_max_position_embeddings\":1e300",
                                             "rope_scaling.original_max_position_embeddings = 1e+300"},
                                         Bad{"\"rope_theta\":500000.0", "\"rope_theta\":0", "rope_theta = 0"},
                                         Bad{"\"hidden_size\":48,", "", "\"hidden_size\" is missing"},
                                         Bad{"\"hidden_size\":48,", "\"hidden_size\":\"48\",", "hidden_size = \"48\""},
                                         Bad{"\"hidden_size\":48,", "\"hidden_size\":-1,", "hidden_size = -1"},
                                         Bad{"\"hidden_size\":48,", "\"hidden_size\":49,", "not a multiple of num_attention_heads = 4"},
                                         Bad{"\"vocab_size\":320", "\"vocab_size\":1e30", "vocab_size = 1e+30"},
                                         Bad{"\"eos_token_id\":[305,312]", "\"eos_token_id\":[[305]]", "eos_token_id"},
                                         Bad{"\"hidden_size\":48,", "\"hidden_size\":48", "config.json: "}));

TEST(ConfigJson, DeepNestingIsRefusedNotFollowed) {
  std::string text = "{\"a\":" + std::string(100000, '[') + std::string(100000, ']') + "}";
  EXPECT_THROW(read_config_json(text), Error);
}

}  // namespace
}  // namespace corral::llama
