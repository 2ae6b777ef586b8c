#include "plugins/dataset/common/utf8.h"

#include <cstdint>
#include <cstring>

namespace corral::data {
namespace {
// Length of the sequence that starts at p, 0 if there is none.  Table 3-7 of the Unicode standard.
size_t sequence(const unsigned char* p, size_t left) {
  const auto tail = [&](size_t i, unsigned low = 0x80, unsigned high = 0xBF) { return i < left && p[i] >= low && p[i] <= high; };
  const unsigned lead = p[0];
  if (lead < 0x80) return 1;
  if (lead < 0xC2) return 0;
  if (lead < 0xE0) return tail(1) ? 2 : 0;
  if (lead < 0xF0) return tail(1, lead == 0xE0 ? 0xA0 : 0x80, lead == 0xED ? 0x9F : 0xBF) && tail(2) ? 3 : 0;
  if (lead < 0xF5) return tail(1, lead == 0xF0 ? 0x90 : 0x80, lead == 0xF4 ? 0x8F : 0xBF) && tail(2) && tail(3) ? 4 : 0;
  return 0;
}
}  // namespace

size_t first_invalid_utf8(std::string_view bytes) {
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  size_t i = 0;
  while (i < bytes.size()) {
    uint64_t word;
    while (i + 8 <= bytes.size() && (std::memcpy(&word, p + i, 8), (word & 0x8080808080808080ull) == 0)) i += 8;
    if (i == bytes.size()) break;
    const size_t length = sequence(p + i, bytes.size() - i);
    if (length == 0) return i;
    i += length;
  }
  return kAllValid;
}

void append_utf8(char32_t code, std::string& out) {
  const auto put = [&](unsigned byte) { out.push_back(static_cast<char>(byte)); };
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

}  // namespace corral::data
