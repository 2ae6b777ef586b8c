#include "plugins/tracker/tensorboard/crc32c.h"

#include <array>

namespace corral::tensorboard {
namespace {
constexpr std::array<uint32_t, 256> kTable = [] {
  std::array<uint32_t, 256> table{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82F63B78u : 0);
    table[byte] = crc;
  }
  return table;
}();
}  // namespace

uint32_t crc32c(const void* data, size_t size) {
  uint32_t crc = ~0u;
  for (const auto *p = static_cast<const unsigned char*>(data), *end = p + size; p < end; ++p) crc = crc >> 8 ^ kTable[(crc ^ *p) & 0xFF];
  return ~crc;
}

}  // namespace corral::tensorboard
