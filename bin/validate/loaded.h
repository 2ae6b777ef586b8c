// A plugin that can also be closed: a run never does that, a validation must.
#pragma once

#include <memory>
#include <string>

#include "kernel/plugin/discovery.h"
#include "kernel/plugin/plugin.h"

namespace corral::validate {

class Loaded {
 public:
  // Only loads the file. Throws Error if the loader refuses it or the descriptor is unusable.
  explicit Loaded(const PluginInfo& info);
  ~Loaded();  // closes without shutdown if it was not called
  Loaded(const Loaded&) = delete;
  Loaded& operator=(const Loaded&) = delete;

  const corral_plugin_descriptor& descriptor() const { return *descriptor_; }
  // Initializes as the host does: init, then the kind's interface. Throws the plugin's message.
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
