#include "bin/cli/load_plugin.h"

#include "bin/cli/configuration.h"

namespace corral::cli {

Registry& plugin_registry(const Arguments& arguments) {
  static Registry registry(plugin_folders(arguments));
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
