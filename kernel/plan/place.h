// Offsets for blocks of memory whose lives are known.
#pragma once

#include "kernel/plan/lives.h"

namespace corral::plan {

// Bytes that get one offset, for one tensor or several of them.
struct Block {
  uint64_t bytes = 0;
  std::vector<Life> lives{};
  std::vector<size_t> tensors{};  // numbers of the caller
};

// Sets offsets[t] for the tensors of all blocks; returns the bytes that all take together. Where there are many blocks of `smallest` bytes,
// those that live one after the other are placed together.
uint64_t place(std::vector<Block> blocks, uint64_t smallest, std::vector<uint64_t>& offsets);

}  // namespace corral::plan
