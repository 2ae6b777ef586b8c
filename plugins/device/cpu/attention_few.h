// Attention of a few queries over a cache, as when generating: its rows are read once, in their order, at the speed of memory.
#pragma once

#include "plugins/device/cpu/flash.h"

namespace corral::cpu {

// The operands of attention_cached; keys and values have one type.
void attend_few(const Prepared& p, const AttentionSizes& z, void* const* in, void* const* out, float* workspace);
int64_t floats_of_few(const AttentionSizes& z, int64_t threads);  // of the workspace

}  // namespace corral::cpu
