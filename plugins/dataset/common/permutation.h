#pragma once
#include <cstdint>

namespace corral::data {

uint64_t mix(uint64_t value);  // splitmix64's finalizer: a bijection with scattered values

// A permutation of [0, size), computed element by element in constant memory: a Feistel network over the bits of size - 1, applied until
// the value is below size (fewer than two applications on average).
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
