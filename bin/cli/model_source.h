// A model on disk: a checkpoint in any format, which plugins read it, and its parameters in a session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bin/cli/adapter_source.h"
#include "bin/cli/command.h"
#include "kernel/plugin/checkpoint.h"
#include "kernel/plugin/model.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::cli {

struct ModelSource {
  std::string path;  // the folder that was opened
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::string model_plugin;              // that recognized the configuration best, or that was asked for
  std::string options;                   // encoded, as the configuration states them
  std::optional<AdapterSource> adapter;  // what goes over its weights
};

// Opens a run directory (its newest verified checkpoint), a checkpoint of one (verified), or a folder of any installed format. Says on
// standard error what was skipped, which model was recognized, or that --model chose it. An adapter is opened with the model that it was
// made for; --adapter goes over any model.
ModelSource open_model(const Arguments& arguments, const std::string& path);

// The same for a folder that needs no look; `model` names the plugin, or is "". `base`: the model of an adapter, "" for the one it names;
// `peft`: its method's plugin, or "".
ModelSource open_model_folder(const Arguments& arguments, const std::string& folder, const std::string& model, const std::string& base = "",
                              const std::string& peft = "");

// Reads all parameters that the session has into it, converted to their types there: the model's, and the adapter's where there is one.
void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::cli
