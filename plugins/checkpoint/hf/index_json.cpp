#include "plugins/checkpoint/hf/index_json.h"

#include <nlohmann/json.hpp>

#include "corral/error.h"
#include "plugins/checkpoint/common/element_type.h"

namespace corral::safetensors {
namespace {
using nlohmann::json;
constexpr int kDeepest = 16;

json parse(std::string_view text, const std::string& path) {
  const auto shallow = [&](int depth, json::parse_event_t, json&) {
    if (depth > kDeepest) fail("{}: nested more than {} deep", path, kDeepest);
    return true;
  };
  try {
    return json::parse(text, shallow);
  } catch (const json::exception& e) {
    fail("{}: {}", path, e.what());
  }
}

}  // namespace

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.size() <= 255 && name.find('/') == std::string_view::npos &&
         name.find('\0') == std::string_view::npos;
}

std::map<std::string, std::string> parse_index(std::string_view text, const std::string& path) {
  const json index = parse(text, path);
  const auto map = index.is_object() ? index.find("weight_map") : index.end();
  if (!index.is_object() || map == index.end() || !map->is_object()) fail("{}: expected an object with the object \"weight_map\"", path);
  if (map->empty()) fail("{}: weight_map names no tensor", path);
  std::map<std::string, std::string> files;
  for (const auto& [tensor, file] : map->items()) {
    if (!file.is_string()) fail("{}: weight_map[{}]: expected the name of a file", path, in_quotes(tensor));
    const auto& name = file.get_ref<const std::string&>();
    if (!is_plain_name(name))
      fail("{}: weight_map[{}] = {}: expected the name of a file in the same folder, not a path", path, in_quotes(tensor), in_quotes(name));
    if (!name.ends_with(".safetensors"))
      fail("{}: weight_map[{}] = {}: expected a .safetensors file", path, in_quotes(tensor), in_quotes(name));
    files.emplace(tensor, name);
  }
  return files;
}

std::string make_index(const std::map<std::string, std::string>& files, uint64_t total_size) {
  nlohmann::ordered_json index;
  index["metadata"]["total_size"] = total_size;
  for (const auto& [tensor, file] : files) index["weight_map"][tensor] = file;
  return index.dump(2) + "\n";
}

}  // namespace corral::safetensors
