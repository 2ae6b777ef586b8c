// What the flags of a command say of a run's configuration.
#pragma once

#include <string>

#include "bin/terminal/command.h"
#include "kernel/config/run_config.h"

namespace corral::cli {

// Of a command that takes a recipe; the command may change it before it is resolved.
config::Sources sources(const Arguments& arguments);

// True for llama32/1b, a family and a size; false for a path to a plugin.
bool is_family_and_size(const std::string& model);

// Reads samples and chats unless a recipe, a file or a flag names a reader.
void prefer_samples(config::Sources& sources, const std::string& by);

}  // namespace corral::cli
