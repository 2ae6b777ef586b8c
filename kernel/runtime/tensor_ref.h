#pragma once

#include "corral/graph.h"

namespace corral::runtime {

// A tensor in the arena.
struct TensorRef {
  void* address = nullptr;
  DType dtype = DType::DTYPE_NONE;
  Shape shape;
  uint64_t bytes() const { return bytes_of(dtype, elements(shape)); }
};

}  // namespace corral::runtime
