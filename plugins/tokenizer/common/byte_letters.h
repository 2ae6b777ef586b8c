// Byte-level vocabularies write each byte as a printable character (GPT-2's convention): the byte's own character if it is printable, else
// one from U+0100 on.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace corral::tokenizer {

// All bytes, in the order of their characters.
const std::array<uint8_t, 256>& bytes_by_letter();

std::string letters_of(std::string_view bytes);

// Returns false if a character represents no byte or the text is not UTF-8; `bytes` is then undefined.
bool bytes_of(std::string_view letters, std::string& bytes);

}  // namespace corral::tokenizer
