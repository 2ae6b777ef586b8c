// Compares a device with the float64 references: every case of an operation in float32, bfloat16, mixed types, and accumulating.
#pragma once

#include <string>
#include <vector>

#include "kernel/graph/op.h"
#include "kernel/runtime/session.h"

namespace corral::validate {

struct Conformance {
  size_t runs = 0;                    // nodes that were run and compared
  double largest_error = 0;           // over all float32 outputs, relative to the largest value of the reference
  std::vector<std::string> failures;  // one sentence each: the deviation, or why it did not run
};

// Throws nothing; an exception of the device is a failure. Limits: 1e-5 of the largest value in float32; half a unit of bfloat16 more if
// the output is bfloat16; integers exactly.
Conformance check_operation(const std::shared_ptr<const DeviceHandle>& device, const graph::OpDef& def);

}  // namespace corral::validate
