// The formats of eight and four bits: values, codes, and rounding to the nearest even, in float64.
#pragma once

#include <cstdint>

#include "corral/graph.h"

namespace corral::graph {

bool is_low_precision(DType dtype);
double largest_of(DType dtype);

// The nearest value of the format. Values beyond the largest, and infinity, become the largest. A NaN stays NaN, except in E2M1, which has
// no NaN and gives 6. F8_E8M0 has the powers of two from 2^-127 to 2^127 only.
double round_to_low(double value, DType dtype);

// Convert between a value of the format and its code.
uint8_t code_of(double value, DType dtype);
double value_of(uint8_t code, DType dtype);

}  // namespace corral::graph
