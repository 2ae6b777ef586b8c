// What was trained beside a model, on disk: an adapter's folder, the method that it is of, and its parameters in a session.
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
  std::string plugin;   // of the method: that recognized the configuration, or that --peft names
  std::string options;  // encoded, as the configuration states them
  std::string base;     // the model that it was made for, as the configuration names it
};

// Of an open folder that says that it is an adapter. `wanted` names the method's plugin; "": the one that knows the configuration.
AdapterSource adapter_of(const Host& host, const std::string& path, std::shared_ptr<CheckpointReaderHandle> reader, CheckpointInfo info,
                         const std::string& wanted = "");

// How its tensors, by the names and shapes that they have there, make the parameters that the method adds.
WeightMap weight_map_of(const AdapterSource& adapter, const train::Pipeline& pipeline);

// Reads all that was trained into the session: parameters, and masters where there are any.
void load_adapter(const AdapterSource& adapter, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::job
