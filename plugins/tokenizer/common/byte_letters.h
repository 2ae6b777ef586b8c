// A byte-level vocabulary writes each byte as one printable character: itself where it is one, else a character from U+0100 on. (GPT-2's
// convention.)
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace corral::tokenizer {

// The bytes in the order of their characters.
const std::array<uint8_t, 256>& bytes_by_letter();

std::string letters_of(std::string_view bytes);

// False where a character stands for no byte, or the text is no UTF-8; `bytes` is then undefined.
bool bytes_of(std::string_view letters, std::string& bytes);

}  // namespace corral::tokenizer
