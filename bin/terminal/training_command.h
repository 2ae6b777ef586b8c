// The flags that pretrain and finetune share, and the run that they start.
#pragma once

#include "bin/job/training.h"
#include "bin/terminal/command.h"

namespace corral::cli {

inline constexpr const char* kTrainingShared[] = {"recipe", "config", "set", kEveryKey, "dump-graph"};

// Returns 0, or 130 if a signal stopped the run.
int train_command(const Arguments& arguments, job::TrainingRequest::Mode mode);

}  // namespace corral::cli
