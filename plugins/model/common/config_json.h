// Reads and writes config.json of a Llama, in the forms of transformers 4 and 5.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::llama {

struct LlamaConfig {
  int64_t num_hidden_layers = 0, hidden_size = 0, intermediate_size = 0, num_attention_heads = 0, num_key_value_heads = 0, head_dim = 0,
          vocab_size = 0, max_position_embeddings = 2048;
  double rope_theta = 10000, rms_norm_eps = 1e-6, initializer_range = 0.02;
  std::string rope_type = "none";  // none, llama3
  double rope_factor = 1, low_freq_factor = 1, high_freq_factor = 4;
  int64_t original_max_position_embeddings = 8192;
  bool tie_word_embeddings = false;
  std::vector<int64_t> bos_token_ids, eos_token_ids;
  std::string dtype;  // float32, bfloat16, float16; "" if not stated

  bool operator==(const LlamaConfig&) const = default;
};

// Throws Error (2) naming the key that is missing, of the wrong type, or asks for something that these models do not have:
// attention_bias, mlp_bias, another activation, another rope type.
LlamaConfig read_config_json(std::string_view bytes);

// Writes a config.json that both transformers 4 and 5 read.
std::string write_config_json(const LlamaConfig& config);

}  // namespace corral::llama
