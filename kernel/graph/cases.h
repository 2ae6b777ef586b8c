// The cases of an operation, made into numbers: what a test gives to a device or to finite differences, and what should come back.
#pragma once

#include <cstdint>
#include <vector>

#include "kernel/graph/op.h"

namespace corral::graph {

// One operand, whole or absent. Values are such that its type holds them exactly.
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

// The outputs again, after inputs were changed.
void run_case_again(const OpDef& def, const Case& c, CaseRun& run);

// The nearest value that the type holds; all but F16.
double rounded(double value, DType dtype);

// Between the numbers of a CaseOperand or TensorType and the bytes of a tensor: all types but F16, an even number of F4_E2M1.
std::vector<unsigned char> to_bytes(const std::vector<double>& values, DType dtype);
std::vector<double> from_bytes(const std::vector<unsigned char>& bytes, DType dtype);

}  // namespace corral::graph
