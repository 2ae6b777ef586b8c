// XXH3-128 of bytes that arrive in pieces.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

struct XXH3_state_s;

namespace corral::checkpoint {

class Hash128 {
 public:
  Hash128();
  void update(const void* data, uint64_t size);
  // In hexadecimal, as xxhsum prints it.
  std::string hex() const;

 private:
  std::unique_ptr<XXH3_state_s, void (*)(XXH3_state_s*)> state_;
};

}  // namespace corral::checkpoint
