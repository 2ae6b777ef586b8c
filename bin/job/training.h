// What pretrain and finetune do: a run in its directory, from its first step or on from a checkpoint.
#pragma once

#include <string>

#include "bin/terminal/command.h"

namespace corral::cli {

// The shared flags that both take.
inline constexpr const char* kTrainingShared[] = {"recipe", "config", "set", kEveryKey, "dump-graph"};

int train_command(const Arguments& arguments, const std::string& mode);

}  // namespace corral::cli
