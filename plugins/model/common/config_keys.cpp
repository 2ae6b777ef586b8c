#include "plugins/model/common/config_keys.h"

#include <algorithm>
#include <string>

#include "corral/json_object.h"
#include "plugins/model/common/config_json.h"

namespace corral::llama {
namespace {
using nlohmann::json;
using Use = ConfigKey_Use;

// The keys that read_config_json reads.
constexpr const char* kUsed[] = {"attention_bias",
                                 "bos_token_id",
                                 "dtype",
                                 "eos_token_id",
                                 "head_dim",
                                 "hidden_act",
                                 "hidden_size",
                                 "initializer_range",
                                 "intermediate_size",
                                 "max_position_embeddings",
                                 "mlp_bias",
                                 "model_type",
                                 "num_attention_heads",
                                 "num_hidden_layers",
                                 "num_key_value_heads",
                                 "partial_rotary_factor",
                                 "quantization_config",
                                 "rms_norm_eps",
                                 "rope_parameters",
                                 "rope_scaling",
                                 "rope_theta",
                                 "tie_word_embeddings",
                                 "torch_dtype",
                                 "vocab_size"};
constexpr const char* kUsedOfRope[] = {
    "factor", "high_freq_factor", "low_freq_factor",      "original_max_position_embeddings", "rope_type",
    "type",   "rope_theta",       "partial_rotary_factor"};

struct Reason {
  const char *key, *why;
};
constexpr Reason kIgnored[] = {
    {"_attn_implementation_autoset", "chooses the attention code of another program"},
    {"_name_or_path", "the path from which another program read the model"},
    {"architectures", "model_type states the family"},
    {"attention_dropout", "attention has no dropout here, not in training either"},
    {"auto_map", "names code of another program, which is not run"},
    {"pad_token_id", "sequences need no padding id: their lengths are known"},
    {"pretraining_tp", "how another program splits its products; the result is the same"},
    {"transformers_version", "the version that wrote the file"},
    {"use_cache", "generation always caches keys and values"},
};

template <size_t N>
bool is_one_of(const char* const (&list)[N], const std::string& key) {
  return std::find(std::begin(list), std::end(list), key) != std::end(list);
}

// The reader's error for this value in an otherwise valid configuration; "" if it accepts the value.
std::string refusal(const std::string& key, const json& value) {
  json sound = {{"num_hidden_layers", 1},   {"hidden_size", 8}, {"intermediate_size", 8},
                {"num_attention_heads", 1}, {"head_dim", 8},    {"vocab_size", 8}};
  sound[key] = value;
  try {
    read_config_json(sound.dump(-1, ' ', false, json::error_handler_t::replace));
    return "";
  } catch (const Error& e) {
    const std::string text = e.what(), file = "config.json: ";
    return text.starts_with(file) ? text.substr(file.size()) : text;
  }
}

class Report {
 public:
  explicit Report(const json& config) : config_(config) {}

  void add(const std::string& key, const json& value) {
    if (value.is_null() && is_one_of(kUsed, key)) return put(key, Use::IGNORED, "null: treated as missing");
    if (const std::string why = refusal(key, value); !why.empty()) return put(key, Use::UNSUPPORTED, why);
    if (const auto [first, second] = std::pair{"dtype", "torch_dtype"}; key == second && find_value(config_, first))
      return after(key, first);
    if (const auto [first, second] = std::pair{"rope_parameters", "rope_scaling"}; key == second && find_value(config_, first))
      return after(key, first);
    if (!is_one_of(kUsed, key)) return ignored(key);
    put(key, Use::USED, "");
    if (key != "rope_parameters" && key != "rope_scaling") return;
    for (const auto& [inner, unused] : value.items())
      if (is_one_of(kUsedOfRope, inner))
        put(key + "." + inner, Use::USED, "");
      else
        put(key + "." + inner, Use::IGNORED, "this scaling does not use it");
  }

  ConfigReport take() { return std::move(report_); }

 private:
  void ignored(const std::string& key) {
    for (const Reason& r : kIgnored)
      if (key == r.key) return put(key, Use::IGNORED, r.why);
    put(key, Use::IGNORED, "not a key of Llama 3");
  }
  void after(const std::string& key, const std::string& first) { put(key, Use::IGNORED, first + " is used instead"); }
  void put(const std::string& key, Use use, const std::string& why) {
    ConfigKey& k = report_.keys.emplace_back();
    k.key = key;
    k.use = use;
    k.why = why;
  }

  const json& config_;
  ConfigReport report_;
};

}  // namespace

ConfigReport explain_config_json(std::string_view bytes) {
  const json config = parse_object(bytes, "config.json");
  Report report(config);
  for (const auto& [key, value] : config.items()) report.add(key, value);
  ConfigReport all = report.take();
  if (const json* version = find_value(config, "transformers_version"); version && version->is_string())
    all.made_by = "transformers " + version->get<std::string>();
  return all;
}

}  // namespace corral::llama
