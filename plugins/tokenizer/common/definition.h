// What a tokenizer's files say, read and checked.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace corral::tokenizer {

// Two neighbours that become one id; lower ranks first.
struct Merge {
  int32_t left, right, result;
  uint32_t rank;
};

struct AddedToken {
  int32_t id;
  std::string content;
  bool special;
  bool normalized;  // looked for only in what the others leave
};

struct Definition {
  std::vector<std::string> tokens;  // what each id stands for
  std::vector<bool> mergeable;      // ids that text becomes: those of the byte-level vocabulary
  std::vector<Merge> merges;
  bool ignore_merges = false;  // a piece that is a token becomes that token, whatever the merges say
  std::string pattern;
  std::vector<AddedToken> added;
  std::vector<int32_t> prefix, suffix;  // what the post-processor puts around a text
};

// `size` + 16 ids of room for a text always suffice.
constexpr size_t kMostAround = 16;

}  // namespace corral::tokenizer
