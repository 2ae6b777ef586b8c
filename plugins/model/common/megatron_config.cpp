#include "plugins/model/common/megatron_config.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "corral/json_object.h"

namespace corral::llama {
namespace {
using nlohmann::json;
using nlohmann::ordered_json;

constexpr size_t kLargestFile = 16 << 20;
// Megatron's constants of RoPE scaling; only the factor is an option there.
constexpr double kLowFrequency = 1, kHighFrequency = 4;
constexpr int64_t kOriginalPositions = 8192;

// Reads the values of one section. A value may have several keys; the first that exists counts.
class Section {
 public:
  Section(const json& values, std::string name) : values_(values), name_(std::move(name)) {}

  const json* find(std::initializer_list<const char*> keys) const {
    for (const char* key : keys)
      if (const auto at = values_.find(key); at != values_.end() && !at->is_null()) {
        key_ = key;
        return &*at;
      }
    return nullptr;
  }
  int64_t size(std::initializer_list<const char*> keys, int64_t otherwise = 0) const {
    const json* v = find(keys);
    if (!v && otherwise > 0) return otherwise;
    if (!v) fail("{}.{}: missing in the checkpoint: expected a number above 0", name_, *keys.begin());
    if (!v->is_number_integer() || *v < 1 || *v > (int64_t{1} << 31)) wrong(*v, "a whole number from 1 to 2147483648");
    return v->get<int64_t>();
  }
  double number(std::initializer_list<const char*> keys, double otherwise) const {
    const json* v = find(keys);
    if (!v) return otherwise;
    if (!v->is_number() || !std::isfinite(v->get<double>()) || v->get<double>() <= 0) wrong(*v, "a number above 0");
    return v->get<double>();
  }
  bool flag(std::initializer_list<const char*> keys, bool otherwise) const {
    const json* v = find(keys);
    if (!v) return otherwise;
    if (!v->is_boolean()) wrong(*v, "true or false");
    return v->get<bool>();
  }
  void refuse(const char* key, bool refused, const char* why) const {
    if (const json* v = find({key}); v && v->is_boolean() && v->get<bool>() == refused) fail("{}.{} = {}: {}", name_, key, refused, why);
  }
  void require(const char* key, const char* expected, const char* why) const {
    if (const json* v = find({key}); v && v->is_string() && *v != expected) fail("{}.{} = {}: {}", name_, key, v->dump(), why);
  }

 private:
  [[noreturn]] void wrong(const json& value, const char* expected) const {
    fail("{}.{} = {}: expected {}", name_, key_, shown(value), expected);
  }
  const json& values_;
  std::string name_;
  mutable const char* key_ = "";
};

void refuse_other_families(const Section& s) {
  s.refuse("add_bias_linear", true, "Llama 3 models have no biases, and none are supported");
  s.refuse("add_qkv_bias", true, "Llama 3 models have no biases, and none are supported");
  s.refuse("gated_linear_unit", false, "expected a gated MLP");
  s.refuse("swiglu", false, "expected a gated MLP");
  s.refuse("multi_latent_attention", true, "not supported: Llama 3 models do not have it");
  s.refuse("qk_layernorm", true, "not supported: Llama 3 models do not have it");
  s.require("normalization", "RMSNorm", "expected \"RMSNorm\"");
  s.require("position_embedding_type", "rope", "expected \"rope\"");
  if (s.find({"num_moe_experts", "num_experts"})) fail("num_moe_experts: Llama 3 models have no mixture of experts");
  if (const double part = s.number({"rotary_percent"}, 1); part != 1) fail("rotary_percent = {}: expected 1", part);
  s.refuse("rotary_interleaved", true, "expected false: Llama 3 rotates halves");
}

void read_rope(const Section& s, LlamaConfig& c) {
  c.rope_theta = s.number({"rotary_base"}, c.rope_theta);
  // Older releases' providers of Llama 3.1 have scale_factor instead of a flag and always scale.
  const bool scales = s.flag({"rope_scaling", "use_rope_scaling"}, s.find({"scale_factor"}) != nullptr);
  if (!scales) return;
  c.rope_type = "llama3";
  c.rope_factor = s.number({"rope_scaling_factor", "scale_factor"}, 8);
  c.low_freq_factor = s.number({"low_freq_factor"}, kLowFrequency);
  c.high_freq_factor = s.number({"high_freq_factor"}, kHighFrequency);
  c.original_max_position_embeddings = s.size({"old_context_len"}, kOriginalPositions);
}

}  // namespace

LlamaConfig read_megatron_config(std::string_view bytes) {
  if (bytes.size() > kLargestFile) fail("the model's section: {} bytes, expected at most {}", bytes.size(), kLargestFile);
  const json whole = json::parse(bytes, nullptr, false);
  const char* name = whole.is_object() && whole.contains("model") ? "model" : "args";
  if (!whole.is_object() || !whole.contains(name) || !whole[name].is_object())
    fail("the checkpoint has neither run_config.yaml with a section model nor args: give the model's folder with --hf-model");
  const Section s(whole[name], name);
  refuse_other_families(s);
  LlamaConfig c;
  c.num_hidden_layers = s.size({"num_layers"});
  c.hidden_size = s.size({"hidden_size"});
  c.intermediate_size = s.size({"ffn_hidden_size"});
  c.num_attention_heads = s.size({"num_attention_heads"});
  // Megatron-LM writes num_query_groups even if it does not use groups.
  c.num_key_value_heads =
      s.flag({"group_query_attention"}, true) ? s.size({"num_query_groups"}, c.num_attention_heads) : c.num_attention_heads;
  c.head_dim = s.size({"kv_channels"}, std::max<int64_t>(1, c.hidden_size / c.num_attention_heads));
  c.vocab_size = s.size({"vocab_size", "padded_vocab_size"});
  c.max_position_embeddings = s.size({"max_position_embeddings", "seq_length"}, c.max_position_embeddings);
  c.rms_norm_eps = s.number({"layernorm_epsilon", "norm_epsilon"}, 1e-5);
  c.initializer_range = s.number({"init_method_std"}, c.initializer_range);
  c.tie_word_embeddings =
      s.flag({"share_embeddings_and_output_weights"}, !s.flag({"untie_embeddings_and_output_weights"}, name == std::string_view("model")));
  read_rope(s, c);
  if (s.flag({"bf16"}, false)) c.dtype = "bfloat16";
  return c;
}

std::string write_megatron_config(const LlamaConfig& c) {
  ordered_json m;
  m["_target_"] = "megatron.bridge.models.gpt_provider.GPTModelProvider";
  m["num_layers"] = c.num_hidden_layers;
  m["hidden_size"] = c.hidden_size;
  m["ffn_hidden_size"] = c.intermediate_size;
  m["num_attention_heads"] = c.num_attention_heads;
  m["num_query_groups"] = c.num_key_value_heads;
  m["kv_channels"] = c.head_dim;
  m["vocab_size"] = c.vocab_size;
  m["should_pad_vocab"] = false;
  m["seq_length"] = c.max_position_embeddings;
  m["normalization"] = "RMSNorm";
  m["layernorm_epsilon"] = c.rms_norm_eps;
  m["activation_func"] = {{"_target_", "torch.nn.functional.silu"}, {"_call_", false}};
  m["gated_linear_unit"] = true;
  m["add_bias_linear"] = false;
  m["add_qkv_bias"] = false;
  m["hidden_dropout"] = 0.0;
  m["attention_dropout"] = 0.0;
  m["position_embedding_type"] = "rope";
  m["rotary_percent"] = 1.0;
  m["rotary_base"] = c.rope_theta;
  m["rope_scaling"] = c.rope_type != "none";
  if (c.rope_type != "none") {
    m["rope_scaling_factor"] = c.rope_factor;
    // Megatron has these constants in its code, so they are written only if they differ.
    if (c.low_freq_factor != kLowFrequency) m["low_freq_factor"] = c.low_freq_factor;
    if (c.high_freq_factor != kHighFrequency) m["high_freq_factor"] = c.high_freq_factor;
    if (c.original_max_position_embeddings != kOriginalPositions) m["old_context_len"] = c.original_max_position_embeddings;
  }
  m["share_embeddings_and_output_weights"] = c.tie_word_embeddings;
  m["init_method_std"] = c.initializer_range;
  m["bf16"] = c.dtype == "bfloat16";
  ordered_json whole;
  whole["model"] = std::move(m);
  return whole.dump();
}

}  // namespace corral::llama
