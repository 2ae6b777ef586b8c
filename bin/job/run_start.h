// Where a run begins: at step 0 with random or given weights, or at a checkpoint.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bin/job/run_lock.h"
#include "bin/job/training.h"
#include "kernel/checkpoint/store.h"

namespace corral::job {

struct RunStart {
  config::RunConfig config;
  std::optional<ModelSource> weights;        // that a new run begins with
  bool with_state = false;                   // its steps count, and the optimizer's state is taken too
  std::optional<checkpoint::Found> resumed;  // the checkpoint of this run's directory that it resumes from
  std::vector<RunLock> locks;                // of the directories that exist already
};

// Throws Error (2) where the directory has another run, or none to resume; (3) where a living process runs in it.
RunStart find_start(const Host& host, const TrainingRequest& request);

// The folder of a run's checkpoints.
std::string checkpoints_of(const config::RunConfig& config, const std::string& dir);
// Locks the run's directory and, if it is another one, that of its checkpoints: all that exist and are not locked yet.
void lock_directories(const Host& host, const config::RunConfig& config, const std::string& dir, std::vector<RunLock>& locks);
// Throws Error (2) where the directory has a run, or a model.
void require_no_run(const config::RunConfig& config, const std::string& dir);

}  // namespace corral::job
