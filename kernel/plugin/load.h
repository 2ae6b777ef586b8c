// Loads a plugin's shared object and brings it up: descriptor, init, interface.
#pragma once

#include <memory>

#include "kernel/plugin/discovery.h"
#include "kernel/plugin/plugin.h"

namespace corral {

// The fault of a descriptor, as a sentence; "" if it may be used. `info` comes from the manifest.
std::string fault_of(const corral_plugin_descriptor& descriptor, const PluginInfo& info);

// Throws Error: 2 if the file is not such a plugin or lacks a symbol, 3 if the loader refuses it, 4 if the plugin breaks its contract, and
// the error of init.
std::shared_ptr<const Plugin> load_plugin_file(const PluginInfo& info);

}  // namespace corral
