// Finds the installed plugins that know a path: its format, and the model of its configuration.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bin/job/host.h"
#include "kernel/plugin/checkpoint.h"

namespace corral::job {

struct FoundFormat {
  CheckpointFormat format;
  std::string name, reason;
};
// Finds the format by the files alone; `wanted` is the format that a flag names, or "". Throws Error (2) if no format knows the path, or
// two know it equally well.
FoundFormat find_format(const Host& host, const std::string& path, const std::string& wanted = "");

// The configuration of a checkpoint in its own dialect.
DialectConfig own_config(const CheckpointInfo& info);

struct FoundModel {
  struct Claim {
    std::string plugin, reason;
    uint32_t confidence = 0;
  };
  std::string plugin;           // claims the configuration best; "" for none
  std::string options, reason;  // the plugin's
  std::string refusal;          // message of the first plugin that refused it, if none accepts it
  std::vector<Claim> claims;    // of all plugins that were asked and know the dialect
};
// Asks only the plugin `wanted`, or all if it is "". Throws Error if the wanted one refuses the configuration, or if any fails.
FoundModel find_model(const Host& host, const DialectConfig& config, const std::string& wanted = "");

// A checkpoint that is open, whether or not its model is known.
struct FoundCheckpoint {
  std::string path;  // the folder or file that was opened
  std::string format, reason;
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::vector<TensorInfo> tensors;
  bool of_run = false;  // it has the manifest of a Corral run

  const std::string& files_folder() const { return info.files_folder.empty() ? path : info.files_folder; }
};
// True if an installed format knows the path.
bool is_checkpoint(const Host& host, const std::string& path);
// Resolves a path without reading its content: a run directory to its newest checkpoint, a hub name to the cache, else itself.
std::string newest_checkpoint(const Host& host, const std::string& path);
// Opens exactly this path.
FoundCheckpoint open_checkpoint(const Host& host, const std::string& path);

}  // namespace corral::job
