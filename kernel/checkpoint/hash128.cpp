#include "kernel/checkpoint/hash128.h"

#include <xxhash.h>

namespace corral::checkpoint {

Hash128::Hash128() : state_(XXH3_createState(), [](XXH3_state_s* s) { XXH3_freeState(s); }) { XXH3_128bits_reset(state_.get()); }

void Hash128::update(const void* data, uint64_t size) { XXH3_128bits_update(state_.get(), data, size); }

std::string Hash128::hex() const {
  XXH128_canonical_t canonical;
  XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(state_.get()));
  std::string text;
  for (const unsigned char byte : canonical.digest) {
    constexpr char kHex[] = "0123456789abcdef";
    text += {kHex[byte >> 4], kHex[byte & 15]};
  }
  return text;
}

}  // namespace corral::checkpoint
