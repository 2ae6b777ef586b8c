#include "kernel/plugin/registry.h"

#include <filesystem>

#include "corral/error.h"
#include "kernel/plugin/load.h"

namespace corral {
namespace fs = std::filesystem;

namespace {
bool is_path(const std::string& name) { return name.find('/') != std::string::npos || name.ends_with(".so"); }
}  // namespace

Registry::Registry(std::vector<std::string> folders) : folders_(std::move(folders)) {
  for (const std::string& folder : folders_)
    for (const std::string& path : shared_objects(folder)) {
      auto info = std::make_unique<PluginInfo>(examine(path, libraries_));
      std::pair key{info->kind, info->name};
      by_name_.try_emplace(std::move(key), std::move(info));
    }
  for (const auto& [key, info] : by_name_) list_.push_back(info.get());
}

std::vector<std::string> Registry::names(const std::string& kind) const {
  std::vector<std::string> names;
  for (const PluginInfo* info : list_)
    if (info->kind == kind) names.push_back(info->name);
  return names;
}

const PluginInfo* Registry::look_up(const std::string& kind, const std::string& name) {
  if (!is_path(name)) {
    const auto found = by_name_.find({kind, name});
    return found == by_name_.end() ? nullptr : found->second.get();
  }
  std::error_code error;
  if (!fs::is_regular_file(name, error)) return nullptr;
  auto& info = by_path_[fs::absolute(name, error).lexically_normal().string()];
  if (!info) info = std::make_unique<PluginInfo>(examine(name, libraries_));
  return info.get();
}

const PluginInfo& Registry::find(const std::string& kind, const std::string& name) {
  const PluginInfo* info = look_up(kind, name);
  if (!info && is_path(name)) fail("{} plugin {}: there is no such file", kind, name);
  if (!info) fail("{} plugin \"{}\": not installed{}", kind, name, did_you_mean(name, names(kind)));
  if (info->available && info->kind != kind)
    fail("{}: a plugin of kind {} ({}/{}), but one of kind {} was asked for", info->path, info->kind, info->kind, info->name, kind);
  return *info;
}

std::shared_ptr<const Plugin> Registry::load(const std::string& kind, const std::string& name) {
  const PluginInfo& info = find(kind, name);
  if (!info.available)
    throw Error(info.exit_code, format("{} plugin {} cannot be used: {}\n       file: {}", kind, name, info.reason, info.path));
  auto& plugin = loaded_[info.path];
  if (!plugin) plugin = load_plugin_file(info);
  return plugin;
}

}  // namespace corral
