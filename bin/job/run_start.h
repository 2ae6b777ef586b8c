// Finds the start of a run: step 0 with random or given weights, or a checkpoint.
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
  std::optional<ModelSource> weights{};        // a new run begins with these
  bool with_state = false;                     // continue at their step and load the optimizer state too
  std::optional<checkpoint::Found> resumed{};  // checkpoint in this run's directory to resume from
  std::vector<RunLock> locks{};                // of the directories that exist already
};

// Throws Error (2) if the directory has another run, or has none to resume; (3) if a living process runs in it.
RunStart find_start(const Host& host, const TrainingRequest& request);

// The folder of a run's checkpoints.
std::string checkpoints_of(const config::RunConfig& config, const std::string& dir);
// Locks the run's directory and the checkpoint directory, if that is another one. Skips directories that do not exist or are locked
// already.
void lock_directories(const Host& host, const config::RunConfig& config, const std::string& dir, std::vector<RunLock>& locks);
// Throws Error (2) if the directory contains a run or a model.
void require_no_run(const config::RunConfig& config, const std::string& dir);

}  // namespace corral::job
