// What the files of a model say about ends and random choices.
#pragma once

#include <set>

#include "bin/cli/command.h"
#include "bin/cli/model_source.h"
#include "kernel/generate/sampler.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::cli {

// Every end token of generation_config.json, config.json and the tokenizer.
std::set<int32_t> end_tokens(const ModelSource& source, const TokenizerHandle* tokenizer);

// The flags; where none says how, generation_config.json; else greedy.
generate::Sampling sampling(const Arguments& arguments, const ModelSource& source);

}  // namespace corral::cli
