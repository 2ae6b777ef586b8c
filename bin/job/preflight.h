// Checks samples before a run: whether there is something to learn, and whether answers end.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernel/plugin/dataset.h"

namespace corral::job {

// Describes each fault of the samples in one line, with the places and a remedy.
std::vector<std::string> findings_of(const SampleReport& report);

// Explains why a run on these samples would be in vain: over 1% of them train no token of an answer, or none trains the end of one. "" if
// it would not.
std::string verdict_on(const SampleReport& report);

// Says the findings, and refuses (exit code 2) samples on which a run would be in vain. Returns false, having done nothing, if the dataset
// does not tell samples apart.
bool check_before_training(const DatasetHandle& data, const std::function<void(const std::string& line)>& say);

}  // namespace corral::job
