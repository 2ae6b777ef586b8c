#include "plugins/model/common/config_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "corral/json_object.h"

namespace corral::llama {
namespace {
using nlohmann::json;
using nlohmann::ordered_json;

[[noreturn]] void wrong(const std::string& key, const json& value, const char* expected) {
  fail("config.json: {} = {}: expected {}", key, shown(value), expected);
}

int64_t size(const json& j, const char* key, int64_t otherwise = 0) {
  const json* value = find_value(j, key);
  if (!value) {
    if (otherwise > 0) return otherwise;
    fail("config.json: key \"{}\" is missing: expected a number above 0", key);
  }
  if (!value->is_number_integer() || *value < 1 || *value > (int64_t{1} << 31)) wrong(key, *value, "a whole number from 1 to 2147483648");
  return value->get<int64_t>();
}

double number(const json& j, const std::string& where, const char* key, double otherwise) {
  const json* value = find_value(j, key);
  if (!value) return otherwise;
  if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() <= 0)
    wrong(where + key, *value, "a number above 0");
  return value->get<double>();
}

double required(const json& j, const std::string& where, const char* key) {
  if (!find_value(j, key)) fail("config.json: key \"{}{}\" is missing: expected a number above 0", where, key);
  return number(j, where, key, 0);
}

bool flag(const json& j, const char* key, bool otherwise) {
  const json* value = find_value(j, key);
  if (!value) return otherwise;
  if (!value->is_boolean()) wrong(key, *value, "true or false");
  return value->get<bool>();
}

std::string text(const json& j, const std::string& where, const char* key, const std::string& otherwise) {
  const json* value = find_value(j, key);
  if (!value) return otherwise;
  if (!value->is_string()) wrong(where + key, *value, "a string");
  return value->get<std::string>();
}

std::vector<int64_t> ids(const json& j, const char* key) {
  const json* value = find_value(j, key);
  if (!value) return {};
  std::vector<int64_t> result;
  for (const json& id : value->is_array() ? *value : json::array({*value})) {
    if (!id.is_number_integer() || id < 0 || id > (int64_t{1} << 31)) wrong(key, *value, "a token id or a list of them");
    result.push_back(id.get<int64_t>());
  }
  return result;
}

void refuse_other_families(const json& j) {
  if (const std::string type = text(j, "", "model_type", "llama"); type != "llama")
    fail("config.json: model_type = \"{}\": expected \"llama\"", type);
  for (const char* key : {"attention_bias", "mlp_bias"})
    if (flag(j, key, false)) fail("config.json: {} = true: Llama 3 models have no biases, and none are supported", key);
  if (const std::string act = text(j, "", "hidden_act", "silu"); act != "silu" && act != "swish")
    fail("config.json: hidden_act = \"{}\": expected \"silu\"", act);
  if (number(j, "", "partial_rotary_factor", 1) != 1)
    wrong("partial_rotary_factor", j["partial_rotary_factor"], "1: RoPE rotates all features");
  if (find_value(j, "quantization_config"))
    fail("config.json: quantization_config: quantized weights are not supported, use the folder of the original");
}

// transformers 4 writes rope_theta beside rope_scaling; transformers 5 writes both in rope_parameters.
void read_rope(const json& j, LlamaConfig& c) {
  const char* section = find_value(j, "rope_parameters") ? "rope_parameters" : "rope_scaling";
  c.rope_theta = number(j, "", "rope_theta", c.rope_theta);
  const json* rope = find_value(j, section);
  if (!rope) return;
  if (!rope->is_object()) wrong(section, *rope, "an object");
  const std::string where = std::string(section) + ".";
  c.rope_theta = number(*rope, where, "rope_theta", c.rope_theta);
  if (number(*rope, where, "partial_rotary_factor", 1) != 1)
    wrong(where + "partial_rotary_factor", (*rope)["partial_rotary_factor"], "1: RoPE rotates all features");
  const std::string type = text(*rope, where, "rope_type", text(*rope, where, "type", "default"));
  if (type == "default") return;
  if (type != "llama3") fail("config.json: {}rope_type = \"{}\": expected \"llama3\" or \"default\"", where, type);
  c.rope_type = type;
  c.rope_factor = required(*rope, where, "factor");
  c.low_freq_factor = required(*rope, where, "low_freq_factor");
  c.high_freq_factor = required(*rope, where, "high_freq_factor");
  const double original = required(*rope, where, "original_max_position_embeddings");
  if (!(original >= 1 && original <= 0x1p31))
    wrong(where + "original_max_position_embeddings", (*rope)["original_max_position_embeddings"], "a number from 1 to 2147483648");
  c.original_max_position_embeddings = static_cast<int64_t>(original);
}

ordered_json id_or_list(const std::vector<int64_t>& ids) {
  if (ids.empty()) return nullptr;
  return ids.size() == 1 ? ordered_json(ids[0]) : ordered_json(ids);
}

}  // namespace

LlamaConfig read_config_json(std::string_view bytes) {
  const json j = parse_object(bytes, "config.json");
  refuse_other_families(j);
  LlamaConfig c;
  c.num_hidden_layers = size(j, "num_hidden_layers");
  c.hidden_size = size(j, "hidden_size");
  c.intermediate_size = size(j, "intermediate_size");
  c.num_attention_heads = size(j, "num_attention_heads");
  c.num_key_value_heads = size(j, "num_key_value_heads", c.num_attention_heads);
  c.vocab_size = size(j, "vocab_size");
  if (!find_value(j, "head_dim") && c.hidden_size % c.num_attention_heads != 0)
    fail("config.json: hidden_size = {} is not a multiple of num_attention_heads = {}, and head_dim is missing", c.hidden_size,
         c.num_attention_heads);
  c.head_dim = size(j, "head_dim", std::max<int64_t>(1, c.hidden_size / c.num_attention_heads));
  c.max_position_embeddings = size(j, "max_position_embeddings", c.max_position_embeddings);
  c.rms_norm_eps = number(j, "", "rms_norm_eps", c.rms_norm_eps);
  c.initializer_range = number(j, "", "initializer_range", c.initializer_range);
  c.tie_word_embeddings = flag(j, "tie_word_embeddings", false);
  c.bos_token_ids = ids(j, "bos_token_id");
  c.eos_token_ids = ids(j, "eos_token_id");
  c.dtype = text(j, "", "dtype", text(j, "", "torch_dtype", ""));
  read_rope(j, c);
  return c;
}

std::string write_config_json(const LlamaConfig& c) {
  ordered_json j;
  j["architectures"] = {"LlamaForCausalLM"};
  j["attention_bias"] = false;
  j["attention_dropout"] = 0.0;
  j["bos_token_id"] = id_or_list(c.bos_token_ids);
  j["eos_token_id"] = id_or_list(c.eos_token_ids);
  j["head_dim"] = c.head_dim;
  j["hidden_act"] = "silu";
  j["hidden_size"] = c.hidden_size;
  j["initializer_range"] = c.initializer_range;
  j["intermediate_size"] = c.intermediate_size;
  j["max_position_embeddings"] = c.max_position_embeddings;
  j["mlp_bias"] = false;
  j["model_type"] = "llama";
  j["num_attention_heads"] = c.num_attention_heads;
  j["num_hidden_layers"] = c.num_hidden_layers;
  j["num_key_value_heads"] = c.num_key_value_heads;
  j["rms_norm_eps"] = c.rms_norm_eps;
  j["rope_scaling"] = nullptr;
  if (c.rope_type != "none")
    j["rope_scaling"] = {{"factor", c.rope_factor},
                         {"high_freq_factor", c.high_freq_factor},
                         {"low_freq_factor", c.low_freq_factor},
                         {"original_max_position_embeddings", c.original_max_position_embeddings},
                         {"rope_type", c.rope_type}};
  j["rope_theta"] = c.rope_theta;
  j["tie_word_embeddings"] = c.tie_word_embeddings;
  j["torch_dtype"] = c.dtype.empty() ? "float32" : c.dtype;
  j["use_cache"] = true;
  j["vocab_size"] = c.vocab_size;
  return j.dump(2) + "\n";
}

}  // namespace corral::llama
