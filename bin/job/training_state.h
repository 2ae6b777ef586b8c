// What a run needs beside its weights to go on: the optimizer's state, and how far it is. Where the format has a place for state that
// stands beside weights it lies there, as other programs read it; all else is in state/ of the checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bin/job/model_source.h"
#include "bin/job/run_directory.h"
#include "kernel/config/run_config.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {

// Writes weights, the parameters that the map has, what the request holds, and the state of a run after `progress`.
void save_with_state(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, train::SessionTensors& parameters,
                     runtime::Session& session, CheckpointWriteRequest request, const Progress& progress);

struct TakenState {
  uint64_t step = 0;
  std::optional<uint64_t> rows;    // behind these steps; another program's order of rows is its own
  std::vector<std::string> roles;  // that were read from beside the weights
};
// Reads the state of the run that saved the checkpoint into a session that has its weights. Throws Error (2) where it is not there, is of
// another form or of another optimizer.
TakenState load_state(const Host& host, const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

// optimizer.* and train.train_iters as one JSON object.
std::string optimizer_settings(const config::RunConfig& config);

}  // namespace corral::job
