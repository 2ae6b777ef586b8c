// The check of samples before a run: whether there is something to learn, and an end to it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernel/plugin/dataset.h"

namespace corral::job {

// What is wrong with the samples, a line each, with the places and what would mend it.
std::vector<std::string> findings_of(const SampleReport& report);

// Why a run on these samples would be in vain: over 1% of them train no token of an answer, or none trains the end of one. "" where it is
// not.
std::string verdict_on(const SampleReport& report);

// Says the findings and refuses (exit code 2) what would be in vain. False, with nothing done, where the dataset does not tell samples
// apart.
bool check_before_training(const DatasetHandle& data, const std::function<void(const std::string& line)>& say);

}  // namespace corral::job
