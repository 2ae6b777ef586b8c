#include "plugins/dataset/common/permutation.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace corral::data {
namespace {
constexpr int kRounds = 8;
uint64_t low_mask(unsigned bits) { return (uint64_t{1} << bits) - 1; }
}  // namespace

uint64_t mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15ull;
  x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ x >> 27) * 0x94D049BB133111EBull;
  return x ^ x >> 31;
}

Permutation::Permutation(uint64_t size, uint64_t key) : size_(size), key_(mix(key)) {
  const unsigned bits = std::max(2, static_cast<int>(std::bit_width(size > 0 ? size - 1 : 0)));
  low_bits_ = bits / 2;
  high_bits_ = bits - low_bits_;
}

uint64_t Permutation::once(uint64_t value) const {
  unsigned low_bits = low_bits_, high_bits = high_bits_;
  uint64_t low = value & low_mask(low_bits), high = value >> low_bits;
  for (int round = 0; round < kRounds; ++round) {
    high ^= mix(key_ + static_cast<uint64_t>(round) * 0xD6E8FEB86659FD93ull + low) & low_mask(high_bits);
    std::swap(low, high);
    std::swap(low_bits, high_bits);
  }
  return high << low_bits | low;
}

uint64_t Permutation::operator()(uint64_t index) const {
  do index = once(index);
  while (index >= size_);
  return index;
}

}  // namespace corral::data
