// A model on disk: a checkpoint in any format, the plugins that read it, and its parameters in a session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bin/job/adapter_source.h"
#include "bin/job/host.h"
#include "kernel/plugin/checkpoint.h"
#include "kernel/plugin/model.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

struct ModelSource {
  std::string path, format;  // the folder that was opened, and the plugin that reads it
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::string model_plugin;              // recognized the configuration best, or was asked for
  std::string options;                   // encoded, as the configuration states them
  std::optional<AdapterSource> adapter;  // added to the weights

  // The folder of the files beside the weights, such as the tokenizer's.
  const std::string& files_folder() const { return info.files_folder.empty() ? path : info.files_folder; }
};

// A model to open, as the user describes it.
struct WantedModel {
  std::string path, format = "";  // format "": found from the files
  bool with_state = false;        // optimizer state is wanted; else it is said that only weights are loaded
  std::string model = "";         // plugin that reads the configuration; "": the one that knows it best
  std::string described_by = "";  // folder whose configuration and files replace the model's own; "": none
  std::string adapter = "";       // folder of an adapter to add to the weights, or ""
  std::string base = "";          // model of the adapter, if `path` is one; "": the one that the adapter names
  std::string peft = "";          // plugin of the adapter's method; "": the one that knows its configuration
};

// Opens a run directory (its newest verified checkpoint), a checkpoint of one (verified), or a folder of any installed format. Says which
// checkpoints were skipped, the format of the folder, and which model was recognized or asked for. An adapter is opened together with its
// model.
ModelSource open_model(const Host& host, const WantedModel& wanted);
// Says so if the checkpoint has more than weights and, if the rest cannot be loaded, why.
void say_that_only_weights_are_taken(const Host& host, const ModelSource& source);

// The same for a folder that is itself a checkpoint.
ModelSource open_model_folder(const Host& host, const WantedModel& wanted);

// A fingerprint of the model's weights, the same in every format. Reads all of them.
std::string fingerprint_of(const Host& host, const ModelSource& source);

// Maps the checkpoint's tensors, by their names and shapes on disk, to the model's parameters.
WeightMap weight_map_of(const ModelSource& source, const ModelHandle& model, const std::string& options);

// Reads all parameters of the session, converted to the session's types: the model's, and the adapter's if there is one.
void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::job
