#include "plugins/peft/common/adapter_config.h"

#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "corral/error.h"

namespace corral::lowrank {
namespace {
using nlohmann::json;

std::string file_of_peft(const std::string& name) {
  std::ifstream file(std::string(CORRAL_SOURCE_DIR "/tests/golden/expected/llama3/") + name + "/adapter_config.json");
  return {std::istreambuf_iterator<char>(file), {}};
}

AdapterConfig read(const std::string& text) {
  std::string other;
  const AdapterConfig c = read_adapter_config(text, other);
  EXPECT_EQ(other, "");
  return c;
}

// The error for peft's file with one key changed.
std::string error_of(const char* key, const json& value) {
  json j = json::parse(file_of_peft("lora_start"));
  j[key] = value;
  try {
    std::string other;
    read_adapter_config(j.dump(), other);
  } catch (const Error& e) {
    EXPECT_EQ(e.exit_code(), 2);
    return e.what();
  }
  return "accepted";
}

TEST(AdapterConfig, ReadsWhatPeftWrites) {
  const AdapterConfig c = read(file_of_peft("dora_start"));
  EXPECT_EQ(c.r, 4);
  EXPECT_EQ(c.lora_alpha, 8);
  EXPECT_EQ(c.target_modules.size(), 7u);
  EXPECT_TRUE(c.use_dora);
  EXPECT_FALSE(read(file_of_peft("lora_start")).use_dora);
  EXPECT_EQ(c.base_model_name_or_path, "base");
}

TEST(AdapterConfig, ReadsBackWhatItWrites) {
  AdapterConfig c;
  c.r = 7;
  c.lora_alpha = 3.5;
  c.lora_dropout = 0.1;
  c.target_modules = {"model.layers.0.self_attn.q_proj", "up_proj"};
  c.modules_to_save = {"lm_head"};
  c.use_rslora = true;
  c.base_model_name_or_path = "a/b";
  const AdapterConfig back = read(write_adapter_config(c));
  EXPECT_EQ(back.r, 7);
  EXPECT_EQ(back.lora_alpha, 3.5);
  EXPECT_EQ(back.lora_dropout, 0.1);
  EXPECT_EQ(back.target_modules, c.target_modules);
  EXPECT_EQ(back.modules_to_save, c.modules_to_save);
  EXPECT_TRUE(back.use_rslora);
  EXPECT_EQ(back.base_model_name_or_path, "a/b");
}

TEST(AdapterConfig, RefusesWhatWouldChangeTheFunctionNamingTheKey) {
  const std::vector<std::pair<const char*, json>> cases{{"rank_pattern", {{"q_proj", 8}}},
                                                        {"alpha_pattern", {{"q_proj", 8}}},
                                                        {"layers_to_transform", {1}},
                                                        {"fan_in_fan_out", true},
                                                        {"bias", "all"},
                                                        {"lora_bias", true},
                                                        {"init_lora_weights", "pissa_niter_4"},
                                                        {"task_type", "SEQ_CLS"},
                                                        {"target_modules", ".*q_proj"},
                                                        {"target_modules", json::array()},
                                                        {"target_modules", {1}},
                                                        {"r", 0},
                                                        {"r", "8"},
                                                        {"r", 1e9},
                                                        {"lora_alpha", "x"},
                                                        {"use_dora", 1}};
  for (const auto& [key, value] : cases)
    EXPECT_NE(error_of(key, value).find(key), std::string::npos) << key << ": " << error_of(key, value);
  for (const std::string text : {"", "[]", "{", "{\"r\": 1}"}) {
    std::string other;
    EXPECT_THROW(read_adapter_config(text, other), Error) << text;
  }
}

TEST(AdapterConfig, NamesAnotherMethodInsteadOfReadingIt) {
  std::string other;
  read_adapter_config(R"({"peft_type": "IA3"})", other);
  EXPECT_EQ(other, "IA3");
}

}  // namespace
}  // namespace corral::lowrank
