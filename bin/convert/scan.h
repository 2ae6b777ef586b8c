// Reads tensors whole, for facts that only their bytes tell.
#pragma once

#include <string>
#include <vector>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::convert {

struct TensorScan {
  std::string hash;                   // XXH3-128 of the bytes in row-major order
  uint64_t nans = 0, infinities = 0;  // of floating-point types
  std::string problem;                // why the tensor could not be read, or ""
};

// Scans all tensors, several at a time if the source allows it, each with a buffer of its own.
std::vector<TensorScan> scan_tensors(checkpoint::TensorSource& tensors);

}  // namespace corral::convert
