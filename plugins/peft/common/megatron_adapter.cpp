#include "plugins/peft/common/megatron_adapter.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "corral/error.h"
#include "corral/json_object.h"

namespace corral::lowrank {
namespace {
using nlohmann::json;
using nlohmann::ordered_json;

constexpr char kWhere[] = "run_config.yaml";

struct Class {
  const char* path;
  const char* end;
  bool magnitude, fused;
};
constexpr Class kClasses[] = {{"megatron.bridge.peft.lora.LoRA", ".LoRA", false, true},
                              {"megatron.bridge.peft.canonical_lora.CanonicalLoRA", ".CanonicalLoRA", false, false},
                              {"megatron.bridge.peft.dora.DoRA", ".DoRA", true, true}};

[[noreturn]] void refuse(const char* key, const json& value, const std::string& expected) {
  fail("{}: peft.{} = {}: expected {}", kWhere, key, shown(value), expected);
}

double number(const json& peft, const char* key, double otherwise, double low) {
  const json* value = find_value(peft, key);
  if (!value) return otherwise;
  if (!value->is_number() || !std::isfinite(value->get<double>()) || value->get<double>() < low) refuse(key, *value, "a number");
  return value->get<double>();
}

// The class of Megatron Bridge that makes such adapters.
const Class& class_of(const Adapters& adapters) {
  bool fused = false;
  for (const Group& g : adapters.groups()) fused = fused || g.module != adapters.layers()[g.members[0]].module;
  bool parts = false;
  for (const Group& g : adapters.groups()) {
    const std::string& module = adapters.layers()[g.members[0]].module;
    parts = parts || (g.module == module && !megatron_names(module).fused.empty());
  }
  const bool magnitude = adapters.settings().magnitude;
  if (parts && (fused || magnitude))
    fail("Megatron Bridge has no {}: peft.target_modules has to name linear_qkv and linear_fc1, whose parts share their first matrix, {}",
         magnitude ? "DoRA for the parts of a fused layer" : "adapter for some fused layers and for the parts of others",
         magnitude ? "or peft.plugin=lora" : "or only parts: linear_q, linear_fc1_up");
  for (const Class& c : kClasses)
    if (c.magnitude == magnitude && c.fused == !parts) return c;
  fail_bug("no class of Megatron Bridge");
}

}  // namespace

AdapterConfig read_megatron_adapter(std::string_view bytes, std::string& other_method) {
  const json whole = parse_object(bytes, kWhere);
  const json* peft = find_value(whole, "peft");
  if (!peft || !peft->is_object()) fail("{}: the section peft is missing: expected the adapter's rank and scale", kWhere);
  AdapterConfig c;
  const json* target = find_value(*peft, "_target_");
  if (!target || !target->is_string()) fail("{}: peft._target_ is missing: expected {}", kWhere, kClasses[0].path);
  const std::string path = *target;
  const Class* found = std::find_if(std::begin(kClasses), std::end(kClasses), [&](const Class& k) { return path.ends_with(k.end); });
  if (found == std::end(kClasses)) {
    other_method = path;
    return c;
  }
  c.use_dora = found->magnitude;
  const json* dim = find_value(*peft, "dim");
  if (!dim) fail("{}: peft.dim is missing: expected the rank", kWhere);
  if (!dim->is_number_integer() || *dim < 1 || *dim > 1 << 16) refuse("dim", *dim, "a whole number from 1 to 65536");
  c.r = dim->get<int64_t>();
  const json* alpha = find_value(*peft, "alpha");
  if (!alpha) fail("{}: peft.alpha is missing: expected the scale, times the rank", kWhere);
  c.lora_alpha = number(*peft, "alpha", 0, 1e-300);
  c.lora_dropout = number(*peft, "dropout", 0, 0);
  // Dropout after the matrices ("post") is not supported. It has no effect outside training, so it is read as 0.
  if (const json* position = find_value(*peft, "dropout_position"); position && *position == "post") c.lora_dropout = 0;
  if (const json* excluded = find_value(*peft, "exclude_modules"); excluded && !excluded->empty())
    refuse("exclude_modules", *excluded, "none: name the modules in target_modules");
  const json* modules = find_value(*peft, "target_modules");
  if (!modules) fail("{}: peft.target_modules is missing: expected the adapted modules", kWhere);
  if (!modules->is_array() || modules->empty() ||
      !std::all_of(modules->begin(), modules->end(), [](const json& m) { return m.is_string(); }))
    refuse("target_modules", *modules, "a list of module names");
  c.target_modules = modules->get<std::vector<std::string>>();
  if (const json* checkpoint = find_value(whole, "checkpoint"); checkpoint && checkpoint->is_object())
    if (const json* base = find_value(*checkpoint, "pretrained_checkpoint"); base && base->is_string())
      c.base_model_name_or_path = base->get<std::string>();
  return c;
}

std::string write_megatron_adapter(const Adapters& adapters, const std::string& base) {
  const Class& kind = class_of(adapters);
  std::set<std::string> targets;
  for (const Group& g : adapters.groups()) {
    const MegatronNames names = megatron_names(adapters.layers()[g.members[0]].module);
    targets.insert(kind.fused && !names.fused.empty() ? names.fused : names.own);
  }
  const Settings& s = adapters.settings();
  ordered_json whole;
  whole["peft"] = {{"_target_", kind.path},
                   {"target_modules", targets},
                   {"dim", s.dim},
                   // Megatron Bridge always divides by the rank.
                   {"alpha", s.scale() * static_cast<double>(s.dim)},
                   {"dropout", s.dropout},
                   {"dropout_position", "pre"}};
  if (const double alpha = whole["peft"]["alpha"]; alpha == std::floor(alpha) && alpha < 1e15)
    whole["peft"]["alpha"] = static_cast<int64_t>(alpha);
  if (!base.empty()) whole["checkpoint"] = {{"pretrained_checkpoint", base}};
  return whole.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace corral::lowrank
