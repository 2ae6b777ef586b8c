// The --tokenizer flag, for commands that need nothing else of a run's configuration.
#pragma once

#include <memory>

#include "bin/terminal/command.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {

inline constexpr Flag kTokenizerFlag{"tokenizer", Flag::kValue, "PATH", "folder or file of the tokenizer", "tokenizer.path"};
inline constexpr Flag kTokenizerOptions{"set", Flag::kValues, "KEY=VALUE",
                                        "options of the tokenizer: tokenizer.plugin=hf tokenizer.special_tokens=3", ""};

// Opens the tokenizer that --tokenizer and --set describe. Throws Error (2) if --tokenizer is missing.
std::shared_ptr<const TokenizerHandle> tokenizer_of(const Arguments& arguments);

}  // namespace corral::cli
