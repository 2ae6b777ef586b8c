// The tokenizer of a command that needs nothing else of a run's configuration.
#pragma once

#include <memory>

#include "bin/cli/command.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {

// Of --tokenizer and --set; throws Error (2) where --tokenizer is missing.
std::shared_ptr<const TokenizerHandle> tokenizer_of(const Arguments& arguments);

}  // namespace corral::cli
