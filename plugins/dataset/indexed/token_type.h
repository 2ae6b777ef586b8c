// The element types of a pair's tokens.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace corral::indexed {

struct TokenType {
  uint8_t code;  // the type's number in the index
  const char* name;
  uint8_t bytes;
  // Reads up to `count` tokens into `to` and returns how many; stops at the first that is not an id below `limit`. `from` may be unaligned.
  size_t (*read)(const char* from, size_t count, uint32_t limit, int32_t* to);
  std::string (*text)(const char* token);  // for messages
  // The ids must fit the type.
  void (*write)(const int32_t* from, size_t count, char* to);
};

const TokenType* find_token_type(uint8_t code);  // null if there is no such code
// The type that Megatron's tools choose for a vocabulary of `num_ids` ids; 0: unknown.
const TokenType& token_type_for(uint32_t num_ids);

}  // namespace corral::indexed
