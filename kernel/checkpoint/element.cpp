#include "kernel/checkpoint/element.h"

#include <cstring>

#include "corral/error.h"

namespace corral::checkpoint {
namespace {

struct Element {
  DType dtype;
  const char* name;
  uint64_t bytes;
};
constexpr Element kElements[] = {{DType::F32, "F32", 4},         {DType::BF16, "BF16", 2},       {DType::F16, "F16", 2},
                                 {DType::F64, "F64", 8},         {DType::I32, "I32", 4},         {DType::I64, "I64", 8},
                                 {DType::U8, "U8", 1},           {DType::BOOL, "BOOL", 1},       {DType::F8_E4M3, "F8_E4M3", 1},
                                 {DType::F8_E5M2, "F8_E5M2", 1}, {DType::F8_E8M0, "F8_E8M0", 1}, {DType::F4_E2M1, "F4_E2M1", 0}};

const Element& element(DType dtype) {
  for (const Element& e : kElements)
    if (e.dtype == dtype) return e;
  fail_bug("element type {} has no size", static_cast<int>(dtype));
}

template <class From, class To, class F>
void each(const void* from, void* to, uint64_t count, F&& f) {
  const char* a = static_cast<const char*>(from);
  char* b = static_cast<char*>(to);
  for (uint64_t i = 0; i < count; ++i) {  // places in a file need not be aligned
    From x;
    std::memcpy(&x, a + i * sizeof(From), sizeof(From));
    const To y = f(x);
    std::memcpy(b + i * sizeof(To), &y, sizeof(To));
  }
}

}  // namespace

uint64_t element_bytes(DType dtype) {
  const Element& e = element(dtype);
  if (e.bytes == 0) fail("tensors of {} have no addressable elements and cannot be mapped", e.name);
  return e.bytes;
}

const char* dtype_name(DType dtype) { return dtype == DType::DTYPE_NONE ? "no type" : element(dtype).name; }

int64_t element_count(const std::vector<int64_t>& shape) {
  int64_t count = 1;
  for (const int64_t n : shape)
    if (n < 0 || __builtin_mul_overflow(count, n, &count)) fail("shape {} has no number of elements", shape_text(shape));
  return count;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::string text = "[";
  for (const int64_t n : shape) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

float f16_to_f32(uint16_t bits) {
  const uint32_t sign = uint32_t{bits} >> 15 << 31, exponent = bits >> 10 & 31, fraction = bits & 0x3ff;
  if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000 | fraction << 13);
  if (exponent == 0) return (sign ? -1.0f : 1.0f) * static_cast<float>(fraction) * 0x1p-24f;
  return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
}

uint16_t f32_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value), magnitude = bits & 0x7fffffff;
  const uint32_t sign = bits >> 31 << 15;
  if (magnitude > 0x7f800000) return static_cast<uint16_t>(sign | 0x7e00 | (magnitude >> 13 & 0x3ff));
  if (magnitude >= 0x477ff000) return static_cast<uint16_t>(sign | 0x7c00);
  if (magnitude < 0x38800000) {
    // Adding 0.5 leaves the subnormal, rounded to even by the processor, in the low bits of the fraction.
    const float shifted = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign | (std::bit_cast<uint32_t>(shifted) - 0x3f000000));
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return static_cast<uint16_t>(sign | (rounded - 0x38000000) >> 13);
}

void convert(DType from_type, const void* from, DType to_type, void* to, uint64_t count) {
  const auto pair = [&](DType a, DType b) { return from_type == a && to_type == b; };
  if (from_type == to_type) {
    std::memcpy(to, from, count * element_bytes(from_type));
  } else if (pair(DType::BF16, DType::F32)) {
    each<uint16_t, float>(from, to, count, bf16_to_f32);
  } else if (pair(DType::F16, DType::F32)) {
    each<uint16_t, float>(from, to, count, f16_to_f32);
  } else if (pair(DType::F32, DType::BF16)) {
    each<float, uint16_t>(from, to, count, f32_to_bf16);
  } else if (pair(DType::F32, DType::F16)) {
    each<float, uint16_t>(from, to, count, f32_to_f16);
  } else if (pair(DType::F16, DType::BF16)) {
    each<uint16_t, uint16_t>(from, to, count, [](uint16_t x) { return f32_to_bf16(f16_to_f32(x)); });
  } else if (pair(DType::BF16, DType::F16)) {
    each<uint16_t, uint16_t>(from, to, count, [](uint16_t x) { return f32_to_f16(bf16_to_f32(x)); });
  } else {
    fail("cannot convert {} to {}: there are F32, BF16 and F16", dtype_name(from_type), dtype_name(to_type));
  }
}

}  // namespace corral::checkpoint
