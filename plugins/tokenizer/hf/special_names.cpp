#include "plugins/tokenizer/hf/special_names.h"

#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "plugins/tokenizer/common/folder.h"

namespace corral::tokenizer {
namespace {
using nlohmann::json;
constexpr int kDeepest = 64;

json read_object(const std::string& path) {
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail("{}: nested more than {} deep", path, kDeepest);
    return true;
  };
  json content;
  try {
    content = json::parse(read_file(path), shallow);
  } catch (const json::exception& e) {
    fail("{}: {}", path, e.what());
  }
  if (!content.is_object()) fail("{}: expected an object", path);
  return content;
}

// A token is given by its text or as an object with its content.
std::string name_in(const json& object, const char* key, const std::string& path) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return "";
  const json& name = found->is_object() ? found->value("content", json()) : *found;
  if (!name.is_string())
    fail("{}: {} is {}, expected a token", path, key, found->dump(-1, ' ', false, json::error_handler_t::replace).substr(0, 80));
  return name.get<std::string>();
}

}  // namespace

SpecialNames read_special_names(const std::string& folder) {
  SpecialNames names;
  for (const char* file : {"tokenizer_config.json", "special_tokens_map.json"}) {
    const std::string path = folder + "/" + file;
    if (!is_file(path)) continue;
    const json content = read_object(path);
    if (names.bos.empty()) names.bos = name_in(content, "bos_token", names.bos_file = path);
    if (names.eos.empty()) names.eos = name_in(content, "eos_token", names.eos_file = path);
  }
  return names;
}

}  // namespace corral::tokenizer
