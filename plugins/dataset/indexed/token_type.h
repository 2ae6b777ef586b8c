// How a pair stores its tokens.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>

namespace corral::indexed {

struct TokenType {
  uint8_t code;  // in the index
  const char* name;
  uint8_t bytes;
  // Reads `count` tokens into `to`, up to the first that is no number from 0 to limit - 1; how many were read. `from` need not be aligned.
  size_t (*read)(const char* from, size_t count, uint32_t limit, int32_t* to);
  std::string (*text)(const char* token);  // for errors
  // Writes what fits the type; the caller sees to that.
  void (*write)(const int32_t* from, size_t count, char* to);
};

const TokenType* find_token_type(uint8_t code);  // null: no such code
// The one that Megatron's own tools choose for a vocabulary of so many ids; 0: unknown.
const TokenType& token_type_for(uint32_t num_ids);

}  // namespace corral::indexed
