// The services that a job needs from the program around it: plugins, recipes and output to the user.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "kernel/config/run_config.h"
#include "kernel/plugin/registry.h"

namespace corral::job {

struct Host {
  Registry& plugins;
  config::RecipeFolders recipes;
  // Receives each line for the user, but no results. By default the job is silent.
  std::function<void(const std::string& line)> say = [](const std::string&) {};
  // Receives a line that the next one replaces. Empty if nobody watches.
  std::function<void(std::string_view line)> live;

  // Names of the plugins of a kind that this machine can use.
  std::vector<std::string> available(const std::string& kind) const {
    std::vector<std::string> names;
    for (const PluginInfo* info : plugins.list())
      if (info->available && info->kind == kind) names.push_back(info->name);
    return names;
  }
};

}  // namespace corral::job
