// The content of a tokenizer's files, parsed and checked.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace corral::tokenizer {

// Two neighbouring ids that become `result`; the lowest rank is merged first.
struct Merge {
  int32_t left, right, result;
  uint32_t rank;
};

struct AddedToken {
  int32_t id;
  std::string content;
  bool special;
  bool normalized;  // searched only in the text between tokens that are not normalized
};

struct Definition {
  std::vector<std::string> tokens;  // the bytes of each id
  std::vector<bool> mergeable;      // true for ids of the byte-level vocabulary, which text is encoded to
  std::vector<Merge> merges;
  bool ignore_merges = false;  // a piece that is a token becomes that token without merging
  std::string pattern;
  std::vector<AddedToken> added;
  std::vector<int32_t> prefix, suffix;  // ids that the post-processor puts around a text
};

// Room for `size` + 16 ids always suffices for a text of `size` bytes.
constexpr size_t kMostAround = 16;

}  // namespace corral::tokenizer
