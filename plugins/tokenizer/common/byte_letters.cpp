#include "plugins/tokenizer/common/byte_letters.h"

#include <algorithm>

#include "corral/utf8.h"

namespace corral::tokenizer {
namespace {
constexpr uint32_t kLetters = 256 + 68;  // 68 bytes are not printable characters

struct Letters {
  std::array<uint16_t, 256> of_byte;
  std::array<int16_t, kLetters> byte_of;
  std::array<uint8_t, 256> by_letter;
};

constexpr Letters make() {
  Letters l{};
  l.byte_of.fill(-1);
  uint16_t next = 256;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const bool plain = (byte >= 0x21 && byte <= 0x7E) || (byte >= 0xA1 && byte != 0xAD);
    l.of_byte[byte] = plain ? static_cast<uint16_t>(byte) : next++;
    l.byte_of[l.of_byte[byte]] = static_cast<int16_t>(byte);
  }
  size_t at = 0;
  for (const int16_t byte : l.byte_of)
    if (byte >= 0) l.by_letter[at++] = static_cast<uint8_t>(byte);
  return l;
}

constexpr Letters kTable = make();
}  // namespace

const std::array<uint8_t, 256>& bytes_by_letter() { return kTable.by_letter; }

std::string letters_of(std::string_view bytes) {
  std::string letters;
  for (const char byte : bytes) append_utf8(kTable.of_byte[static_cast<unsigned char>(byte)], letters);
  return letters;
}

bool bytes_of(std::string_view letters, std::string& bytes) {
  bytes.clear();
  for (size_t i = 0; i < letters.size(); ++i) {
    // All letters are below U+0144, so they have one or two bytes.
    uint32_t code = static_cast<unsigned char>(letters[i]);
    if (code >= 0x80) {
      if ((code != 0xC2 && code != 0xC3 && code != 0xC4 && code != 0xC5) || i + 1 == letters.size()) return false;
      const auto tail = static_cast<unsigned char>(letters[++i]);
      if ((tail & 0xC0) != 0x80) return false;
      code = (code & 0x1F) << 6 | (tail & 0x3Fu);
    }
    if (code >= kLetters || kTable.byte_of[code] < 0) return false;
    bytes.push_back(static_cast<char>(kTable.byte_of[code]));
  }
  return true;
}

}  // namespace corral::tokenizer
