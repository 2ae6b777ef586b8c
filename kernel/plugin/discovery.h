// Reads facts about a plugin from its manifest and the first bytes of its file, without loading it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/plugin/machine.h"

namespace corral {

struct PluginInfo {
  std::string kind, name, version, license;
  uint32_t abi_major = 0, abi_minor = 0;
  std::string path;  // of the shared object
  bool available = false;
  std::string reason;   // why it is not available
  int exit_code = 0;    // of a command that needs it: 2 if it is not a usable plugin, 3 if this machine cannot run it
  std::string options;  // FileDescriptorSet with the message Options
  std::string presets;  // text of presets.textproto
  std::string table;    // a device's table
};

// `path` is the shared object; its manifest is NAME.manifest beside NAME.so.
PluginInfo examine(const std::string& path, Libraries& libraries);

// --plugin-path folders, $CORRAL_PLUGIN_PATH, ~/.local/lib/corral/plugins, then those beside the program: ../lib/corral/plugins,
// ../plugins.
std::vector<std::string> plugin_folders(const std::vector<std::string>& plugin_path);

// Every shared object of a folder that is, or should be, a plugin: FOLDER/*.so, FOLDER/KIND/*.so, FOLDER/KIND/NAME/*.so; sorted.
std::vector<std::string> shared_objects(const std::string& folder);

}  // namespace corral
