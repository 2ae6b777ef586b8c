// Plugins by kind and name, from where the command line says they lie.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bin/terminal/command.h"
#include "kernel/plugin/registry.h"

namespace corral::cli {

// Of the whole program: made on first use, from the arguments of the one command that runs.
Registry& plugin_registry(const Arguments& arguments);

// `name` may be the path of a shared object. Throws corral::Error naming the nearest where there is none.
std::shared_ptr<const Plugin> load_plugin(const Arguments& arguments, const std::string& kind, const std::string& name);

// Names of the plugins of a kind that this machine can use.
std::vector<std::string> plugin_names(const Arguments& arguments, const std::string& kind);

}  // namespace corral::cli
