#include "plugins/peft/common/adapter_config.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "corral/json_object.h"

namespace corral::lowrank {
namespace {
using nlohmann::json;
using nlohmann::ordered_json;

[[noreturn]] void wrong(const char* key, const json& value, const std::string& expected) {
  fail("adapter_config.json: {} = {}: expected {}", key, shown(value), expected);
}

double number(const json& j, const char* key, double otherwise) {
  const json* value = find_value(j, key);
  if (!value) return otherwise;
  if (!value->is_number() || !std::isfinite(value->get<double>())) wrong(key, *value, "a number");
  return value->get<double>();
}

bool flag(const json& j, const char* key) {
  const json* value = find_value(j, key);
  if (!value) return false;
  if (!value->is_boolean()) wrong(key, *value, "true or false");
  return value->get<bool>();
}

std::string text(const json& j, const char* key) {
  const json* value = find_value(j, key);
  if (!value) return "";
  if (!value->is_string()) wrong(key, *value, "a string");
  return value->get<std::string>();
}

std::vector<std::string> names(const json& j, const char* key) {
  const json* value = find_value(j, key);
  if (!value) return {};
  const bool all = value->is_array() && std::all_of(value->begin(), value->end(), [](const json& v) { return v.is_string(); });
  if (!all) wrong(key, *value, "a list of module names");
  std::vector<std::string> list = value->get<std::vector<std::string>>();
  std::sort(list.begin(), list.end());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// Refuses settings that change the adapter's function in ways that these adapters do not have.
void refuse_other_forms(const json& j) {
  for (const char* key : {"rank_pattern", "alpha_pattern"})
    if (const json* v = find_value(j, key); v && !v->empty()) wrong(key, *v, "none: one rank and one alpha for all modules");
  for (const char* key : {"layers_to_transform", "layers_pattern", "exclude_modules", "target_parameters", "layer_replication",
                          "trainable_token_indices", "alora_invocation_tokens"})
    if (const json* v = find_value(j, key); v && !v->empty()) wrong(key, *v, "null: name full modules in target_modules instead");
  for (const char* key : {"fan_in_fan_out", "lora_bias", "use_qalora", "use_bdlora"})
    if (const json* v = find_value(j, key); v && *v != false) wrong(key, *v, "false");
  if (const json* bias = find_value(j, "bias"); bias && *bias != "none") wrong("bias", *bias, "\"none\"");
  if (const json* task = find_value(j, "task_type"); task && *task != "CAUSAL_LM") wrong("task_type", *task, "\"CAUSAL_LM\"");
  // Some initializations change the model's own weights, and the adapter then fits only the changed ones.
  if (const json* init = find_value(j, "init_lora_weights"); init && init->is_string()) {
    const std::string name = *init;
    for (const char* changes : {"pissa", "olora", "corda", "loftq"})
      if (name.starts_with(changes))
        wrong("init_lora_weights", *init,
              "one that does not change the model's weights: convert the adapter with peft's path_initial_model_for_weight_conversion");
  }
}

}  // namespace

AdapterConfig read_adapter_config(std::string_view bytes, std::string& other_method) {
  const json j = parse_object(bytes, "adapter_config.json");
  AdapterConfig c;
  other_method = text(j, "peft_type");
  if (other_method.empty()) fail("adapter_config.json: key \"peft_type\" is missing: expected \"LORA\"");
  if (other_method != "LORA") return c;
  other_method.clear();
  refuse_other_forms(j);
  const json* r = find_value(j, "r");
  if (!r) fail("adapter_config.json: key \"r\" is missing: expected the rank");
  if (!r->is_number_integer() || *r < 1 || *r > 1 << 16) wrong("r", *r, "a whole number from 1 to 65536");
  c.r = r->get<int64_t>();
  c.lora_alpha = number(j, "lora_alpha", static_cast<double>(8));
  c.lora_dropout = number(j, "lora_dropout", 0);
  if (const json* targets = find_value(j, "target_modules"); targets && targets->is_string()) {
    if (*targets != "all-linear") wrong("target_modules", *targets, "a list of module names; regular expressions are not supported");
    c.target_modules = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"};
  } else {
    c.target_modules = names(j, "target_modules");
  }
  c.modules_to_save = names(j, "modules_to_save");
  if (c.target_modules.empty()) fail("adapter_config.json: target_modules is empty: expected module names");
  c.use_rslora = flag(j, "use_rslora");
  c.use_dora = flag(j, "use_dora");
  c.base_model_name_or_path = text(j, "base_model_name_or_path");
  return c;
}

std::string write_adapter_config(const AdapterConfig& c) {
  ordered_json j;
  j["alpha_pattern"] = json::object();
  j["auto_mapping"] = nullptr;
  j["base_model_name_or_path"] = c.base_model_name_or_path;
  j["bias"] = "none";
  j["fan_in_fan_out"] = false;
  j["inference_mode"] = true;
  j["init_lora_weights"] = true;
  j["layers_pattern"] = nullptr;
  j["layers_to_transform"] = nullptr;
  if (c.lora_alpha == std::floor(c.lora_alpha) && c.lora_alpha < 1e15)
    j["lora_alpha"] = static_cast<int64_t>(c.lora_alpha);
  else
    j["lora_alpha"] = c.lora_alpha;
  j["lora_dropout"] = c.lora_dropout;
  j["modules_to_save"] = nullptr;
  if (!c.modules_to_save.empty()) j["modules_to_save"] = c.modules_to_save;
  j["peft_type"] = "LORA";
  j["r"] = c.r;
  j["rank_pattern"] = json::object();
  j["target_modules"] = c.target_modules;
  j["task_type"] = "CAUSAL_LM";
  j["use_dora"] = c.use_dora;
  j["use_rslora"] = c.use_rslora;
  return j.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

}  // namespace corral::lowrank
