#pragma once
#include <cstdint>

namespace corral::data {

uint64_t mix(uint64_t value);  // a bijection that scatters: splitmix64's finalizer

// A shuffle of [0, size) that is computed at any place, keeping nothing: a Feistel network over the bits of size - 1, walked until it lands
// inside (fewer than two rounds of the network on average).
class Permutation {
 public:
  Permutation(uint64_t size, uint64_t key);
  uint64_t operator()(uint64_t index) const;  // index < size

 private:
  uint64_t once(uint64_t value) const;
  uint64_t size_;
  uint64_t key_;
  unsigned low_bits_, high_bits_;
};

}  // namespace corral::data
