// An adapter on disk: its folder, its method, and its parameters in a session.
#pragma once

#include <memory>
#include <string>

#include "bin/job/host.h"
#include "kernel/plugin/checkpoint.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

struct AdapterSource {
  std::string path, format;
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::string plugin;   // of the method: recognized the configuration, or was named by --peft
  std::string options;  // encoded, as the configuration states them
  std::string base;     // the model that it was made for, by the configuration
};

// Describes an open folder that is an adapter. `wanted` names the method's plugin; "": the one that knows the configuration.
AdapterSource adapter_of(const Host& host, const std::string& path, std::shared_ptr<CheckpointReaderHandle> reader, CheckpointInfo info,
                         const std::string& wanted = "");

// Maps the adapter's tensors, by their names and shapes on disk, to the parameters that the method adds.
WeightMap weight_map_of(const AdapterSource& adapter, const train::Pipeline& pipeline);

// Reads everything trained into the session: parameters, and masters if there are any.
void load_adapter(const AdapterSource& adapter, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::job
