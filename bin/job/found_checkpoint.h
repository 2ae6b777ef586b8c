// Which installed plugins know what lies at a path: the format, and the model of its configuration.
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
// By the files alone; `wanted` is the format that a flag speaks of, or "". Throws Error (2) where none knows it, or two do equally.
FoundFormat find_format(const Host& host, const std::string& path, const std::string& wanted = "");

// The configuration of a checkpoint in its own dialect.
DialectConfig own_config(const CheckpointInfo& info);

struct FoundModel {
  struct Claim {
    std::string plugin, reason;
    uint32_t confidence = 0;
  };
  std::string plugin;           // that claims it best; "" for none
  std::string options, reason;  // its
  std::string refusal;          // what the first plugin said that refused it, where none takes it
  std::vector<Claim> claims;    // of all that were asked and know the dialect
};
// `wanted` names the plugin that alone is asked, or is "". Throws Error where the wanted one refuses the configuration, or any fails.
FoundModel find_model(const Host& host, const DialectConfig& config, const std::string& wanted = "");

// A checkpoint that is open, whether or not its model is known.
struct FoundCheckpoint {
  std::string path;  // the folder or file that was opened
  std::string format, reason;
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::vector<TensorInfo> tensors;
  bool of_run = false;  // it has the manifest of a run of Corral's

  const std::string& files_folder() const { return info.files_folder.empty() ? path : info.files_folder; }
};
// Whether any installed format knows the path.
bool is_checkpoint(const Host& host, const std::string& path);
// What a path stands for without a look at its content: a run directory's newest checkpoint, a name of the hub's cache, or itself.
std::string newest_checkpoint(const Host& host, const std::string& path);
// Opens just this.
FoundCheckpoint open_checkpoint(const Host& host, const std::string& path);

}  // namespace corral::job
