// The memory of this machine that is free for tensors.
#pragma once

#include <cstdint>

namespace corral::cpu {

// Bytes; 0 if the system does not tell.
uint64_t free_memory();

}  // namespace corral::cpu
