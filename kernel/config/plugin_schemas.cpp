#include "kernel/config/plugin_schemas.h"

#include <filesystem>
#include <set>

#include "kernel/config/textproto.h"

namespace corral::config {
namespace fs = std::filesystem;

const PluginSchema* FolderSchemas::find(const std::string& kind, const std::string& name) {
  if (name.empty() || name.find('/') != std::string::npos) return nullptr;
  auto& known = read_[{kind, name}];
  if (known) return known.get();
  for (const std::string& folder : folders_) {
    const fs::path plugin = fs::path(folder) / kind / name;
    std::error_code ignored;
    if (!fs::exists(plugin / "options.desc", ignored)) continue;
    PluginSchema schema{kind, name, read_text_file(plugin / "options.desc"), ""};
    if (fs::exists(plugin / "presets.textproto", ignored)) schema.presets = read_text_file(plugin / "presets.textproto");
    known = std::make_unique<PluginSchema>(std::move(schema));
    break;
  }
  return known.get();
}

std::vector<std::string> FolderSchemas::names(const std::string& kind) {
  std::set<std::string> found;
  for (const std::string& folder : folders_) {
    std::error_code none;
    for (const auto& entry : fs::directory_iterator(fs::path(folder) / kind, none))
      if (fs::exists(entry.path() / "options.desc", none)) found.insert(entry.path().filename());
  }
  return {found.begin(), found.end()};
}

}  // namespace corral::config
