// A model on disk: a checkpoint in any format, which plugins read it, and its parameters in a session.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bin/job/adapter_source.h"
#include "bin/terminal/command.h"
#include "kernel/plugin/checkpoint.h"
#include "kernel/plugin/model.h"
#include "kernel/runtime/session.h"
#include "kernel/train/pipeline.h"

namespace corral::cli {

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

// A model on the command line, and the format that its flag speaks of: "" where its files tell.
struct ModelPath {
  std::string path, format;
  bool with_state = false;  // of an optimizer; where not, it is said that only weights are taken
};

// The one that --checkpoint, --megatron-path or --hf-model names; fails where none does. `command` is for the message.
ModelPath model_path(const Arguments& arguments, const std::string& command);

// Opens a run directory (its newest verified checkpoint), a checkpoint of one (verified), or a folder of any installed format. Says on
// standard error what was skipped, of which format the folder is, which model was recognized, or that --model chose it. An adapter is
// opened with the model that it was made for; --adapter goes over any model. Where --hf-model names another folder, that one's
// configuration and files stand for the model's.
ModelSource open_model(const Arguments& arguments, const ModelPath& model);
// Says so where the checkpoint has more than weights, and why the rest cannot be taken up where it cannot.
void say_that_only_weights_are_taken(const ModelSource& source);

// The same for a folder that needs no look; `model` names the plugin, or is "". `base`: the model of an adapter, "" for the one it names;
// `peft`: its method's plugin, or "".
ModelSource open_model_folder(const Arguments& arguments, const std::string& folder, const std::string& model, const std::string& base = "",
                              const std::string& peft = "");

// What tells the model's weights from those of others, in whatever format they are. Reads all of them.
std::string fingerprint_of(const Arguments& arguments, const ModelSource& source);

// How the checkpoint's weights, by the names and shapes that they have there, make the model's parameters.
WeightMap weight_map_of(const ModelSource& source, const ModelHandle& model, const std::string& options);

// Reads all parameters that the session has into it, converted to their types there: the model's, and the adapter's where there is one.
void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

}  // namespace corral::cli
