// Plugins by kind and name, from the folders where they lie. Listing loads none; a plugin is loaded once, when it is first asked for, and
// stays.
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
  // Earlier folders go first where two have a plugin of the same kind and name.
  explicit Registry(std::vector<std::string> folders);

  const std::vector<std::string>& folders() const { return folders_; }
  // Sorted by kind and name.
  const std::vector<const PluginInfo*>& list() const { return list_; }
  std::vector<std::string> names(const std::string& kind) const;

  // `name` may be the path of a shared object (it has a slash or ends in .so). Null where there is none; the result lives as long as the
  // registry.
  const PluginInfo* look_up(const std::string& kind, const std::string& name);
  // Throws Error (2) naming the nearest where there is none, where it is not a plugin or of another kind.
  const PluginInfo& find(const std::string& kind, const std::string& name);
  // Throws besides: Error (2) for a newer ABI, Error (3) where this machine cannot run it, with the reason.
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
