// Attention of a few queries over a cache, as in generation: the cache is read once, in order, at the speed of memory.
#pragma once

#include "plugins/device/cpu/flash.h"

namespace corral::cpu {

// The inputs of attention; keys and values have one type.
void attend_few(const Prepared& p, const AttentionSizes& z, const KeyBounds& bounds, void* const* in, void* y, float* workspace);
int64_t floats_of_few(const AttentionSizes& z, int64_t threads);  // size of the workspace

}  // namespace corral::cpu
