// What the samples train, for the check before a run.
#pragma once

#include "plugin.wire.h"
#include "plugins/dataset/sft/sample_set.h"

namespace corral::sft {

SampleReport report(const SampleSet& set, const SampleQuery& query);

}  // namespace corral::sft
