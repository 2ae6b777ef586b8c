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

// How a token is chosen.
namespace flags {
inline constexpr Flag kTemperature{"temperature", Flag::kValue, "T", "sample with this temperature; 0: the likeliest token", ""};
inline constexpr Flag kTopK{"top-k", Flag::kValue, "N", "sample among so many likeliest tokens", ""};
inline constexpr Flag kTopP{"top-p", Flag::kValue, "P", "sample among the likeliest tokens of this probability together", ""};
inline constexpr Flag kMinP{"min-p", Flag::kValue, "P", "sample among tokens with this share of the likeliest one's probability", ""};
inline constexpr Flag kRepetitionPenalty{"repetition-penalty", Flag::kValue, "X", "make tokens that stood before less likely; 1: do not",
                                         ""};
inline constexpr Flag kSeed{"seed", Flag::kValue, "N", "of the random choices (1234)", ""};
}  // namespace flags

// These flags; where none says how, generation_config.json; else greedy.
generate::Sampling sampling(const Arguments& arguments, const ModelSource& source);

}  // namespace corral::cli
