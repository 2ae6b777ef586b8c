#include "kernel/plugin/schemas.h"

namespace corral {

const config::PluginSchema* ManifestSchemas::find(const std::string& kind, const std::string& name) {
  const PluginInfo* info = registry_.look_up(kind, name);
  // An unusable plugin may have options that its manifest does not list.
  if (!info || info->kind != kind || (info->options.empty() && !info->available)) return nullptr;
  auto& schema = made_[info];
  if (!schema) schema = std::make_unique<config::PluginSchema>(config::PluginSchema{kind, name, info->options, info->presets});
  return schema.get();
}

}  // namespace corral
