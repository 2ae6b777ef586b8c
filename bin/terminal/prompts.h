// Reads the prompts of a command line as token ids.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bin/terminal/command.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {

struct Prompt {
  std::vector<int32_t> ids;
  std::optional<std::string> text;  // absent if the prompt was given as ids
};

// Reads --prompt TEXT, --prompt - or --prompts FILE. Throws Error naming file and line. Without a tokenizer only rows with ids are read.
std::vector<Prompt> read_prompts(const Arguments& arguments, const TokenizerHandle* tokenizer, int64_t vocabulary);

}  // namespace corral::cli
