// Flags that say how the next token is chosen: shared by the commands that generate and by the settings of a chat.
#pragma once

#include <algorithm>
#include <array>
#include <iterator>
#include <string>

#include "bin/job/model_source.h"
#include "bin/terminal/command.h"
#include "kernel/generate/sampler.h"

namespace corral::cli {

struct SamplingFlag {
  Flag flag;
  double low, high;
  bool whole;
  void (*set)(generate::Sampling& sampling, double value);
};
inline constexpr double kMostSampled = 1e9;
inline constexpr SamplingFlag kSampling[] = {
    {{"temperature", Flag::kValue, "T", "sample with this temperature; 0: the likeliest token", ""},
     0,
     kMostSampled,
     false,
     [](generate::Sampling& s, double v) { s.temperature = v; }},
    {{"top-k", Flag::kValue, "N", "sample among this many of the likeliest tokens; 0: all", ""},
     0,
     kMostSampled,
     true,
     [](generate::Sampling& s, double v) { s.top_k = static_cast<int64_t>(v); }},
    {{"top-p", Flag::kValue, "P", "sample among the likeliest tokens of this probability together", ""},
     0,
     1,
     false,
     [](generate::Sampling& s, double v) { s.top_p = v; }},
    {{"min-p", Flag::kValue, "P", "sample among tokens with this share of the likeliest one's probability", ""},
     0,
     1,
     false,
     [](generate::Sampling& s, double v) { s.min_p = v; }},
    {{"repetition-penalty", Flag::kValue, "X", "make tokens that have occurred less likely; 1: off", ""},
     1e-9,
     kMostSampled,
     false,
     [](generate::Sampling& s, double v) { s.repetition_penalty = v; }},
    {{"seed", Flag::kValue, "N", "seed of the random choices (1234)", ""},
     0,
     1e15,
     true,
     [](generate::Sampling& s, double v) { s.seed = static_cast<uint64_t>(v); }},
};

// Appends the sampling flags to a command's own flags.
template <size_t N>
constexpr auto with_sampling(const Flag (&own)[N]) {
  std::array<Flag, N + std::size(kSampling)> all{};
  std::copy(std::begin(own), std::end(own), all.begin());
  std::transform(std::begin(kSampling), std::end(kSampling), all.begin() + N, [](const SamplingFlag& s) { return s.flag; });
  return all;
}

// Returns `value`, or throws corral::Error (2), beginning with `said`, if it is outside low..high or should be whole and is not.
double checked(double value, double low, double high, bool whole, const std::string& said);

// Reads the sampling flags; settings without a flag come from generation_config.json, else sampling is greedy.
generate::Sampling sampling(const Arguments& arguments, const job::ModelSource& source);

}  // namespace corral::cli
