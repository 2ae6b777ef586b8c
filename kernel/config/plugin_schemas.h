// The descriptions of plugins that the configuration needs. The owner of the plugin folders provides them, without loading a plugin.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace corral::config {

// The files of a plugin's folder, as bytes.
struct PluginSchema {
  std::string kind, name;
  std::string descriptor_set;  // serialized FileDescriptorSet with a message `Options`, or empty; comments above fields are their help
  std::string presets;         // text of presets.textproto: preset { name: "8b" set { hidden_size: 4096 } } ...; or empty
};

class PluginSchemas {
 public:
  virtual ~PluginSchemas() = default;
  // Null if there is no such plugin. The result is valid as long as this object.
  virtual const PluginSchema* find(const std::string& kind, const std::string& name) = 0;
  virtual std::vector<std::string> names(const std::string& kind) = 0;
};

// Folders KIND/NAME that contain options.desc and, for a plugin with sizes, presets.textproto. The first folder that has a plugin wins.
class FolderSchemas final : public PluginSchemas {
 public:
  explicit FolderSchemas(std::vector<std::string> folders) : folders_(std::move(folders)) {}
  const PluginSchema* find(const std::string& kind, const std::string& name) override;
  std::vector<std::string> names(const std::string& kind) override;

 private:
  std::vector<std::string> folders_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<PluginSchema>> read_;
};

}  // namespace corral::config
