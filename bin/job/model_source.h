// A model on disk: a checkpoint in any format, which plugins read it, and its parameters in a session.
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
  std::string path, format;  // the folder that was opened, and which plugin reads it
  std::shared_ptr<CheckpointReaderHandle> reader;
  CheckpointInfo info;
  std::string model_plugin;              // that recognized the configuration best, or that was asked for
  std::string options;                   // encoded, as the configuration states them
  std::optional<AdapterSource> adapter;  // what goes over its weights

  // Where the files beside the weights are: the tokenizer's, for one.
  const std::string& files_folder() const { return info.files_folder.empty() ? path : info.files_folder; }
};

// A model to open, and what the user says about it.
struct WantedModel {
  std::string path, format = "";  // format "": the files tell
  bool with_state = false;        // of an optimizer; without it, it is said that only weights are taken
  std::string model = "";         // plugin that reads the configuration; "": the one that knows it best
  std::string described_by = "";  // folder whose configuration and files replace the model's own; "": none
  std::string adapter = "";       // folder of an adapter that goes over the weights, or ""
  std::string base = "";          // where `path` is an adapter, its model; "": the one that it names
  std::string peft = "";          // plugin of the adapter's method; "": the one that knows its configuration
};

// Opens a run directory (its newest verified checkpoint), a checkpoint of one (verified), or a folder of any installed format. Says what
// was skipped, the format of the folder, and which model was recognized or asked for. An adapter is opened with the model that it was made
// for.
ModelSource open_model(const Host& host, const WantedModel& wanted);
// Says so if the checkpoint has more than weights, and why the rest cannot be taken up if it cannot.
void say_that_only_weights_are_taken(const Host& host, const ModelSource& source);

// The same for a folder that is a checkpoint itself.
ModelSource open_model_folder(const Host& host, const WantedModel& wanted);

// What tells the model's weights from those of others, in whatever format they are. Reads all of them.
std::string fingerprint_of(const Host& host, const ModelSource& source);

// How the checkpoint's weights, by the names and shapes that they have there, make the model's parameters.
WeightMap weight_map_of(const ModelSource& source, const ModelHandle& model, const std::string& options);

// Reads all parameters that the session has into it, converted to their types there: the model's, and the adapter's where there is one.
void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::job
