// Options and sizes of plugins for the configuration, out of their manifests.
#pragma once

#include <map>
#include <memory>

#include "kernel/config/plugin_schemas.h"
#include "kernel/plugin/registry.h"

namespace corral {

class ManifestSchemas final : public config::PluginSchemas {
 public:
  explicit ManifestSchemas(Registry& registry) : registry_(registry) {}
  // `name` may be a path, as for Registry.
  const config::PluginSchema* find(const std::string& kind, const std::string& name) override;
  std::vector<std::string> names(const std::string& kind) override { return registry_.names(kind); }

 private:
  Registry& registry_;
  std::map<const PluginInfo*, std::unique_ptr<config::PluginSchema>> made_;
};

}  // namespace corral
