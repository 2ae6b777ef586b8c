#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace corral::tokenizer {

constexpr size_t kAllValid = static_cast<size_t>(-1);

// Offset of the first byte that is no UTF-8 (overlong forms, surrogates and values over U+10FFFF are none), or kAllValid.
size_t first_invalid_utf8(std::string_view bytes);

// Each longest part that begins a character without completing it, and each byte that begins none, becomes U+FFFD.
std::string replace_invalid_utf8(std::string bytes);

void append_utf8(uint32_t code, std::string& out);

// The code point at p, which points into valid UTF-8, and how many bytes it takes.
struct CodePoint {
  uint32_t code;
  uint32_t size;
};
inline CodePoint code_point(const char* at) {
  const auto* p = reinterpret_cast<const unsigned char*>(at);
  const uint32_t lead = p[0];
  if (lead < 0x80) return {lead, 1};
  if (lead < 0xE0) return {(lead & 0x1F) << 6 | (p[1] & 0x3Fu), 2};
  if (lead < 0xF0) return {(lead & 0x0F) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu), 3};
  return {(lead & 0x07) << 18 | (p[1] & 0x3Fu) << 12 | (p[2] & 0x3Fu) << 6 | (p[3] & 0x3Fu), 4};
}

}  // namespace corral::tokenizer
