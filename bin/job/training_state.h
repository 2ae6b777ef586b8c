// Saves and loads the optimizer state and the progress that a run needs to resume. Optimizer state is stored beside the weights if the
// format supports that, as other programs read it. Everything else is stored in state/ of the checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bin/job/model_source.h"
#include "bin/job/run_directory.h"
#include "kernel/config/run_config.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {

// Writes the weights that `map` lists, the files of the request, and the state of a run after `progress`.
void save_with_state(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, train::SessionTensors& parameters,
                     runtime::Session& session, CheckpointWriteRequest request, const Progress& progress);

struct TakenState {
  uint64_t step = 0;
  std::optional<uint64_t> rows;    // read in these steps; absent for another program's run, whose order of rows is its own
  std::vector<std::string> roles;  // roles of the optimizer state that was read from beside the weights
};
// Reads the saved run's state into a session that has its weights. Throws Error (2) if the state is missing, has another form or belongs to
// another optimizer.
TakenState load_state(const Host& host, const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session);

// optimizer.* and train.train_iters as one JSON object.
std::string optimizer_settings(const config::RunConfig& config);

}  // namespace corral::job
