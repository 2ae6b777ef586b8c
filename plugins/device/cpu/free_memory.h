// How much memory of this machine is free for tensors.
#pragma once

#include <cstdint>

namespace corral::cpu {

// Bytes; 0 where the system does not say.
uint64_t free_memory();

}  // namespace corral::cpu
