// A plugin that can also be closed: what a run never does, and a validation must.
#pragma once

#include <memory>
#include <string>

#include "kernel/plugin/discovery.h"
#include "kernel/plugin/plugin.h"

namespace corral::validate {

class Loaded {
 public:
  // Loads the file only; throws Error where the loader refuses it or the descriptor is unusable.
  explicit Loaded(const PluginInfo& info);
  ~Loaded();  // closes without shutdown where that was not called
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  const corral_plugin_descriptor& descriptor() const { return *descriptor_; }
  // As the host does it: init, then the kind's interface. Throws what the plugin says.
  std::shared_ptr<const Plugin> init();
  // The plugin with another table for its interface.
  std::shared_ptr<const Plugin> with_table(const void* table) const;
  void shutdown();

 private:
  PluginInfo info_;
  void* library_ = nullptr;
  const corral_plugin_descriptor* descriptor_ = nullptr;
};

}  // namespace corral::validate
