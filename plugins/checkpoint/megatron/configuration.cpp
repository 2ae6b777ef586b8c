#include "plugins/checkpoint/megatron/configuration.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "plugins/checkpoint/megatron/common_state.h"

namespace corral::megatron {
namespace {
using json = nlohmann::ordered_json;
constexpr size_t kMostValues = 100'000;
constexpr int kDeepestSection = 12;

json scalar(const YAML::Node& node) {
  const std::string& text = node.Scalar();
  if (node.Tag() == "!") return text;  // quoted: always a string
  if (text.empty() || text == "~" || text == "null") return nullptr;
  if (text == "true" || text == "false") return text == "true";
  int64_t whole = 0;
  if (YAML::convert<int64_t>::decode(node, whole)) return whole;
  double number = 0;
  if (YAML::convert<double>::decode(node, number) && std::isfinite(number)) return number;
  return text;
}

// Counts values: aliases make a YAML document a graph that may expand far beyond its text.
json to_json(const YAML::Node& node, int depth, size_t& values, const std::string& where) {
  if (depth > kDeepestSection) fail("{}: nested more than {} deep", where, kDeepestSection);
  if (++values > kMostValues) fail("{}: more than {} values", where, kMostValues);
  if (node.IsMap()) {
    json object = json::object();
    for (const auto& entry : node)
      if (entry.first.IsScalar()) object[entry.first.Scalar()] = to_json(entry.second, depth + 1, values, where);
    return object;
  }
  if (node.IsSequence()) {
    json array = json::array();
    for (const YAML::Node& entry : node) array.push_back(to_json(entry, depth + 1, values, where));
    return array;
  }
  return node.IsScalar() ? scalar(node) : json(nullptr);
}

// Writes a number with a dot: PyYAML reads 1e-05 as a string.
std::string shown(const json& value) {
  std::string text = value.dump();
  if (value.is_number_float())
    if (const size_t e = text.find('e'); e != std::string::npos && text.find('.') == std::string::npos) text.insert(e, ".0");
  return text;
}

// A key of letters, digits and _ needs no quotes unless YAML gives the word a meaning.
std::string shown_key(const std::string& key) {
  constexpr std::string_view kWords[] = {"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower = key;
  std::transform(key.begin(), key.end(), lower.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool plain = !key.empty() && std::isdigit(static_cast<unsigned char>(key[0])) == 0 &&
                     std::all_of(key.begin(), key.end(), [](unsigned char c) { return std::isalnum(c) || c == '_'; });
  return plain && std::find(std::begin(kWords), std::end(kWords), lower) == std::end(kWords) ? key : json(key).dump();
}

void put(const json& object, size_t indent, std::string& out) {
  for (const auto& [key, value] : object.items()) {
    out.append(indent, ' ').append(shown_key(key)).append(":");
    if (value.is_object() && !value.empty()) {
      out += "\n";
      put(value, indent + 2, out);
    } else {
      out.append(" ").append(shown(value)).append("\n");
    }
  }
}

// Converts scalars. Megatron-LM's arguments also contain objects and lists, which are skipped.
bool plain(const Node& node, json& value) {
  switch (node.kind) {
    case Kind::kNone:
      value = nullptr;
      return true;
    case Kind::kBoolean:
      value = node.integer != 0;
      return true;
    case Kind::kInteger:
      value = node.integer;
      return true;
    case Kind::kNumber:
      if (!std::isfinite(node.number)) return false;
      value = node.number;
      return true;
    case Kind::kText:
      value = std::string(node.text);
      return true;
    default:
      return false;
  }
}

}  // namespace

std::string config_of_yaml(std::string_view yaml, const std::string& where) {
  try {
    const YAML::Node whole = YAML::Load(std::string(yaml));
    if (!whole.IsMap() || !whole["model"] || !whole["model"].IsMap()) return "";
    size_t values = 0;
    json config;
    for (const char* section : {"model", "peft"})
      if (whole[section] && whole[section].IsMap()) config[section] = to_json(whole[section], 0, values, where);
    // An adapter's configuration names its base model here.
    constexpr char kBase[] = "pretrained_checkpoint";
    if (const YAML::Node checkpoint = whole["checkpoint"]; checkpoint && checkpoint.IsMap() && checkpoint[kBase])
      config["checkpoint"][kBase] = to_json(checkpoint[kBase], 0, values, where);
    return config.dump(-1, ' ', false, json::error_handler_t::replace);
  } catch (const YAML::Exception& e) {
    fail("{}: {}", where, e.what());
  }
}

std::string config_of_common(std::string_view bytes, const std::string& where) {
  const Pickle pickle(bytes, allowed_in_common_state, where);
  const Node* args = pickle.find(common_state(pickle), "args");
  if (!args || args->kind != Kind::kCall || args->state == kNoState || pickle.at(args->state).kind != Kind::kDict) return "";
  json config;
  const std::vector<Id>& items = pickle.at(args->state).items;
  for (size_t i = 0; i + 1 < items.size(); i += 2) {
    json value;
    if (const Node& key = pickle.at(items[i]); key.kind == Kind::kText && plain(pickle.at(items[i + 1]), value))
      config["args"][std::string(key.text)] = std::move(value);
  }
  return config.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string joined_configs(const std::string& first, const std::string& second) {
  json joined = json::parse(first, nullptr, false);
  const json over = json::parse(second, nullptr, false);
  if (!joined.is_object() || !over.is_object()) fail_bug("a configuration is not a JSON object");
  joined.update(over);
  return joined.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::string run_config_yaml(const std::string& config, uint64_t iteration, bool with_optimizer) {
  json whole = config.empty() ? json::object() : json::parse(config, nullptr, false);
  if (!whole.is_object()) fail_bug("the configuration of a model is not a JSON object");
  json& model = whole["model"];
  if (!model.is_object()) model = json::object();
  model["tensor_model_parallel_size"] = 1;
  model["pipeline_model_parallel_size"] = 1;
  whole["train"] = {{"train_iters", iteration}};
  for (const auto& [key, value] : {std::pair{"save_rng", json(false)},
                                   {"save_optim", json(with_optimizer)},
                                   {"fully_parallel_save", json(true)},
                                   {"ckpt_format", json("torch_dist")}})
    whole["checkpoint"][key] = value;
  std::string out;
  put(whole, 0, out);
  return out;
}

}  // namespace corral::megatron
