#include "bin/job/chat_template.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "corral/error.h"

namespace corral::job {
namespace {
using Json = nlohmann::ordered_json;

constexpr const char* kTemplateFile = "chat_template.jinja";
constexpr const char* kConfigFile = "tokenizer_config.json";
constexpr const char* kGenerationFile = "generation_config.json";

const NamedFile* find(const std::vector<NamedFile>& files, const char* name) {
  const auto found = std::find_if(files.begin(), files.end(), [&](const NamedFile& f) { return f.name == name; });
  return found == files.end() ? nullptr : &*found;
}

Json object_in(const std::vector<NamedFile>& files, const char* name) {
  const NamedFile* file = find(files, name);
  if (!file) return Json::object();
  Json content = Json::parse(file->content, nullptr, false);
  if (!content.is_object()) fail("{} is not a JSON object", name);
  return content;
}

void put(std::vector<NamedFile>& files, const char* name, std::string content) {
  std::erase_if(files, [&](const NamedFile& f) { return f.name == name; });
  NamedFile file;
  file.name = name;
  file.content = std::move(content);
  files.push_back(std::move(file));
}

}  // namespace

std::string chat_template_of(const std::vector<NamedFile>& files) {
  if (const NamedFile* file = find(files, kTemplateFile)) return file->content;
  const Json config = object_in(files, kConfigFile);
  const auto found = config.find("chat_template");
  if (found == config.end()) return "";
  if (found->is_string()) return found->get<std::string>();
  if (found->is_array())
    for (const Json& named : *found)
      if (named.is_object() && named.value("name", "") == "default" && named.contains("template") && named["template"].is_string())
        return named["template"].get<std::string>();
  return "";
}

void set_chat_template(std::vector<NamedFile>& files, const std::string& text) {
  if (chat_template_of(files) == text) return;
  put(files, kTemplateFile, text);
  Json config = object_in(files, kConfigFile);
  config["chat_template"] = text;
  put(files, kConfigFile, config.dump(2) + "\n");
}

void add_stop_ids(std::vector<NamedFile>& files, const std::vector<int64_t>& ids) {
  if (ids.empty()) return;
  Json config = object_in(files, kGenerationFile);
  Json ends = Json::array();
  if (const auto found = config.find("eos_token_id"); found != config.end() && !found->is_null())
    ends = found->is_array() ? *found : Json::array({*found});
  bool changed = false;
  for (const int64_t id : ids) {
    if (std::find(ends.begin(), ends.end(), Json(id)) != ends.end()) continue;
    ends.push_back(id);
    changed = true;
  }
  if (!changed) return;
  config["eos_token_id"] = ends;
  put(files, kGenerationFile, config.dump(2) + "\n");
}

}  // namespace corral::job
