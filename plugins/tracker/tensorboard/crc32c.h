#pragma once
#include <cstddef>
#include <cstdint>

namespace corral::tensorboard {

uint32_t crc32c(const void* data, size_t size);  // Castagnoli

// The form that TFRecord stores, so that a checksum over data that contains checksums stays meaningful.
inline uint32_t masked_crc32c(const void* data, size_t size) {
  const uint32_t crc = crc32c(data, size);
  return (crc >> 15 | crc << 17) + 0xA282EAD8u;
}

}  // namespace corral::tensorboard
