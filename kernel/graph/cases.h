// Turns the cases of an operation into tensors: inputs for a device or for finite differences, and the expected outputs.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/graph/op.h"

namespace corral::graph {

// One operand, present or absent. Its type represents the values exactly.
struct CaseOperand {
  bool present = false;
  TensorType type;
  std::vector<double> values;
  std::vector<double> rounded;  // of an output: RefCall::rounded
};

struct CaseRun {
  std::vector<CaseOperand> inputs, outputs;  // in the order of the axes; outputs as the float64 reference gives them, not rounded
};

// Random inputs of the case and the reference's outputs. Operands that may have any floating type get `floating`, F32 or BF16.
CaseRun run_case(const OpDef& def, const Case& c, uint64_t seed = 1, DType floating = DType::F32);

// Computes the outputs again after inputs were changed.
void run_case_again(const OpDef& def, const Case& c, CaseRun& run);

// The nearest value of the type; for all types except F16.
double rounded(double value, DType dtype);

// Convert between values and the bytes of a tensor, for all types except F16. F4_E2M1 needs an even number of elements.
std::vector<unsigned char> to_bytes(const std::vector<double>& values, DType dtype);
std::vector<double> from_bytes(const std::vector<unsigned char>& bytes, DType dtype);

}  // namespace corral::graph
