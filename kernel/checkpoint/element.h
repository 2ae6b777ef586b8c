// Element sizes, and conversion between the types that weights are stored and trained in.
#pragma once

#include <bit>
#include <cstdint>
#include <string>
#include <vector>

#include "graph.wire.h"

namespace corral::checkpoint {

// Bytes of one element. Throws Error for types smaller than a byte.
uint64_t element_bytes(DType dtype);
const char* dtype_name(DType dtype);
// Throws Error where the product overflows.
int64_t element_count(const std::vector<int64_t>& shape);
std::string shape_text(const std::vector<int64_t>& shape);

inline float bf16_to_f32(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }
// Rounds to nearest, ties to even. A NaN stays a NaN.
inline uint16_t f32_to_bf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7fffffff) > 0x7f800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
float f16_to_f32(uint16_t bits);
// Rounds to nearest, ties to even. Values beyond the largest finite one become infinity.
uint16_t f32_to_f16(float value);

// Converts `count` elements among F32, BF16 and F16; throws Error for other types. `from` and `to` must not overlap.
void convert(DType from_type, const void* from, DType to_type, void* to, uint64_t count);

}  // namespace corral::checkpoint
