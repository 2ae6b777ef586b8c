// The tokens that end a text, according to the files of a model.
#pragma once

#include <set>

#include "bin/job/model_source.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::job {

// Every end token of generation_config.json, config.json and the tokenizer.
std::set<int32_t> end_tokens(const ModelSource& source, const TokenizerHandle* tokenizer);

}  // namespace corral::job
