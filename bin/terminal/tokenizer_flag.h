// The tokenizer of a command that needs nothing else of a run's configuration.
#pragma once

#include <memory>

#include "bin/terminal/command.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {

// What such a command takes.
inline constexpr Flag kTokenizerFlag{"tokenizer", Flag::kValue, "PATH", "folder or file of the tokenizer", "tokenizer.path"};
inline constexpr Flag kTokenizerOptions{"set", Flag::kValues, "KEY=VALUE",
                                        "options of the tokenizer: tokenizer.plugin=hf tokenizer.special_tokens=3", ""};

// Of --tokenizer and --set; throws Error (2) where --tokenizer is missing.
std::shared_ptr<const TokenizerHandle> tokenizer_of(const Arguments& arguments);

}  // namespace corral::cli
