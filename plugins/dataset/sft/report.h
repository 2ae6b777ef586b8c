// The report of `corral data check` and of the check before a run: how many tokens are trained, and the faulty samples.
#pragma once

#include "plugin.wire.h"
#include "plugins/dataset/sft/sample_set.h"

namespace corral::sft {

SampleReport report(const SampleSet& set, const SampleQuery& query);

}  // namespace corral::sft
