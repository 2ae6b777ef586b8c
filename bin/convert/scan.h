// Tensors read whole, for what only their bytes tell.
#pragma once

#include <string>
#include <vector>

#include "kernel/checkpoint/tensor_io.h"

namespace corral::convert {

struct TensorScan {
  std::string hash;                   // XXH3-128 of the bytes, row after row
  uint64_t nans = 0, infinities = 0;  // of floating-point types
  std::string problem;                // why it could not be read; "" where it could
};

// All of them, several at a time where the source allows it, a buffer each.
std::vector<TensorScan> scan_tensors(checkpoint::TensorSource& tensors);

}  // namespace corral::convert
