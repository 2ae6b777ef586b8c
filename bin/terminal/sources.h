// The configuration of a run as a command's flags describe it.
#pragma once

#include <string>

#include "bin/terminal/command.h"
#include "kernel/config/run_config.h"

namespace corral::cli {

// Collects the sources of a run's configuration from the flags. The command may change them before they are resolved.
config::Sources sources(const Arguments& arguments);

// True for a family and a size, such as llama32/1b; false for a path to a plugin.
bool is_family_and_size(const std::string& model);

// Chooses the reader of samples and chats unless a recipe, a file or a flag names a reader.
void prefer_samples(config::Sources& sources, const std::string& by);

}  // namespace corral::cli
