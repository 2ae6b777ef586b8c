// Flags that name a model.
#pragma once

#include <string>

#include "bin/job/model_source.h"
#include "bin/terminal/command.h"

namespace corral::cli {

// The model at `path`, with everything that --model, --hf-model, --adapter and --peft say about it.
job::WantedModel model_at(const Arguments& arguments, const std::string& path, const std::string& format = "");

// The model that --checkpoint, --megatron-path or --hf-model names. Throws Error (2) naming `command` if none is given.
job::WantedModel wanted_model(const Arguments& arguments, const std::string& command);

}  // namespace corral::cli
