#include "plugins/checkpoint/common/element_type.h"

#include "corral/error.h"

namespace corral::safetensors {

const std::vector<ElementType>& element_types() {
  static const std::vector<ElementType> types = {
      {"BOOL", DType::BOOL, 8},       {"F4", DType::F4_E2M1, 4},      {"U8", DType::U8, 8},    {"F8_E5M2", DType::F8_E5M2, 8},
      {"F8_E4M3", DType::F8_E4M3, 8}, {"F8_E8M0", DType::F8_E8M0, 8}, {"F16", DType::F16, 16}, {"BF16", DType::BF16, 16},
      {"I32", DType::I32, 32},        {"F32", DType::F32, 32},        {"F64", DType::F64, 64}, {"I64", DType::I64, 64}};
  return types;
}

const ElementType* element_type(std::string_view name) {
  for (const ElementType& t : element_types())
    if (name == t.name) return &t;
  return nullptr;
}

const ElementType& element_type(DType dtype, const std::string& tensor) {
  for (const ElementType& t : element_types())
    if (dtype == t.dtype) return t;
  fail_bug("tensor {}: element type {} cannot be stored as safetensors", in_quotes(tensor), static_cast<int>(dtype));
}

bool byte_size(const ElementType& type, const std::vector<int64_t>& shape, uint64_t& bytes) {
  uint64_t bits = type.bits;
  bool empty = false;
  for (const int64_t size : shape) {
    if (size < 0) return false;
    if (size == 0) empty = true;
    // An empty tensor may have any other sizes, but their product must not overflow.
    if (__builtin_mul_overflow(bits, static_cast<uint64_t>(size == 0 ? 1 : size), &bits)) return false;
  }
  if (empty) bits = 0;
  bytes = bits / 8;
  return bits % 8 == 0;
}

std::string in_quotes(std::string_view name) {
  constexpr size_t kLongest = 120;
  std::string text = "\"";
  for (const unsigned char c : name.substr(0, kLongest)) {
    if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
      constexpr char kHex[] = "0123456789abcdef";
      text += {'\\', 'x', kHex[c >> 4], kHex[c & 15]};
    } else {
      text += static_cast<char>(c);
    }
  }
  return text + (name.size() > kLongest ? "...\"" : "\"");
}

}  // namespace corral::safetensors
