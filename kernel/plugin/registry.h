// Plugins by kind and name, found in their folders. Listing loads none; a plugin is loaded once, when it is first needed, and stays loaded.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "kernel/plugin/discovery.h"
#include "kernel/plugin/plugin.h"

namespace corral {

class Registry {
 public:
  // If two folders have a plugin of the same kind and name, the earlier one wins.
  explicit Registry(std::vector<std::string> folders);

  const std::vector<std::string>& folders() const { return folders_; }
  // Sorted by kind and name.
  const std::vector<const PluginInfo*>& list() const { return list_; }
  std::vector<std::string> names(const std::string& kind) const;

  // `name` may be the path of a shared object (it has a slash or ends in .so). Null if there is none. The result is valid as long as the
  // registry.
  const PluginInfo* look_up(const std::string& kind, const std::string& name);
  // Throws Error (2) naming the nearest if there is none, if it is not a plugin or if it is of another kind.
  const PluginInfo& find(const std::string& kind, const std::string& name);
  // Also throws Error (2) for a newer ABI, and Error (3) with the reason if this machine cannot run it.
  std::shared_ptr<const Plugin> load(const std::string& kind, const std::string& name);

 private:
  std::vector<std::string> folders_;
  Libraries libraries_;
  std::map<std::pair<std::string, std::string>, std::unique_ptr<PluginInfo>> by_name_;
  std::map<std::string, std::unique_ptr<PluginInfo>> by_path_;  // named by path
  std::vector<const PluginInfo*> list_;
  std::map<std::string, std::shared_ptr<const Plugin>> loaded_;  // by path
};

}  // namespace corral
