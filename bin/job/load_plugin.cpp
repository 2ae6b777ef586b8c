#include "bin/job/load_plugin.h"

#include <filesystem>

#include "bin/job/configuration.h"
#include "corral/error.h"

namespace corral::cli {

Registry& plugin_registry(const Arguments& arguments) {
  const auto checked = [&] {
    std::error_code error;
    for (const std::string& folder : arguments.list("plugin-path"))
      if (!std::filesystem::is_directory(folder, error))
        fail("--plugin-path {}: {}", folder, std::filesystem::exists(folder, error) ? "a file: name its folder" : "no such folder");
    return plugin_folders(arguments);
  };
  static Registry registry(checked());
  return registry;
}

std::shared_ptr<const Plugin> load_plugin(const Arguments& arguments, const std::string& kind, const std::string& name) {
  return plugin_registry(arguments).load(kind, name);
}

std::vector<std::string> plugin_names(const Arguments& arguments, const std::string& kind) {
  std::vector<std::string> names;
  for (const PluginInfo* info : plugin_registry(arguments).list())
    if (info->available && info->kind == kind) names.push_back(info->name);
  return names;
}

}  // namespace corral::cli
