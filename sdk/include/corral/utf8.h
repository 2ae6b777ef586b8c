// UTF-8 by the Unicode standard (table 3-7): overlong forms, surrogates and values over U+10FFFF are invalid.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace corral {
namespace detail {

struct Utf8Sequence {
  size_t bytes;   // length of the character, or of the invalid part
  bool complete;  // the bytes are a whole character
};

// Reads the character or the invalid part that begins at p.
inline Utf8Sequence utf8_sequence(const unsigned char* p, size_t left) {
  const unsigned lead = p[0];
  if (lead < 0x80) return {1, true};
  const size_t length = lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
  if (length == 0) return {1, false};
  const unsigned low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80, high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (left < 2 || p[1] < low || p[1] > high) return {1, false};
  for (size_t i = 2; i < length; ++i)
    if (i >= left || (p[i] & 0xC0) != 0x80) return {i, false};
  return {length, true};
}

}  // namespace detail

constexpr size_t kAllValid = static_cast<size_t>(-1);

// Returns the offset of the first byte that is not valid UTF-8, or kAllValid.
inline size_t first_invalid_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t i = 0;
  while (i < bytes.size()) {
    uint64_t word;
    while (i + 8 <= bytes.size() && (std::memcpy(&word, p + i, 8), (word & 0x8080808080808080ull) == 0)) i += 8;
    if (i == bytes.size()) break;
    const detail::Utf8Sequence next = detail::utf8_sequence(p + i, bytes.size() - i);
    if (!next.complete) return i;
    i += next.bytes;
  }
  return kAllValid;
}

// Replaces invalid bytes by U+FFFD: one for each incomplete character (its longest valid beginning), one for each other invalid byte.
inline std::string replace_invalid_utf8(std::string bytes) {
  size_t invalid = first_invalid_utf8(bytes);
  if (invalid == kAllValid) return bytes;
  std::string text;
  std::string_view rest = bytes;
  for (; invalid != kAllValid; invalid = first_invalid_utf8(rest)) {
    text.append(rest.substr(0, invalid)).append("\xEF\xBF\xBD");
    rest.remove_prefix(invalid);
    rest.remove_prefix(detail::utf8_sequence(reinterpret_cast<const unsigned char*>(rest.data()), rest.size()).bytes);
  }
  return text.append(rest);
}

// Appends a code point, which is not a surrogate and at most U+10FFFF.
inline void append_utf8(uint32_t code, std::string& out) {
  const auto put = [&](uint32_t byte) { out.push_back(static_cast<char>(byte)); };
  if (code < 0x80) return put(code);
  if (code < 0x800) {
    put(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    put(0xE0 | code >> 12);
    put(0x80 | (code >> 6 & 0x3F));
  } else {
    put(0xF0 | code >> 18);
    put(0x80 | (code >> 12 & 0x3F));
    put(0x80 | (code >> 6 & 0x3F));
  }
  put(0x80 | (code & 0x3F));
}

// A code point and the number of its bytes, read from valid UTF-8.
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

}  // namespace corral
