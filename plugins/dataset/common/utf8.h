#pragma once
#include <cstddef>
#include <string>
#include <string_view>

namespace corral::data {

constexpr size_t kAllValid = static_cast<size_t>(-1);

// Offset of the first byte that is no UTF-8 (overlong forms, surrogates and values over U+10FFFF are none), or kAllValid.
size_t first_invalid_utf8(std::string_view bytes);

// Appends a code point that is no surrogate and not over U+10FFFF.
void append_utf8(char32_t code, std::string& out);

}  // namespace corral::data
