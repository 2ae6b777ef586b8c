// Offsets for blocks of memory whose lives are known.
#pragma once

#include "kernel/plan/lives.h"

namespace corral::plan {

// Memory that gets one offset, for one tensor or for several.
struct Block {
  uint64_t bytes = 0;
  std::vector<Life> lives{};
  std::vector<size_t> tensors{};  // numbers of the caller
};

// Sets offsets[t] for the tensors of all blocks and returns the total bytes. If there are many blocks of `smallest` bytes, blocks whose
// lives follow each other share one place.
uint64_t place(std::vector<Block> blocks, uint64_t smallest, std::vector<uint64_t>& offsets);

}  // namespace corral::plan
