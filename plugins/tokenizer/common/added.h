// Finds added tokens in a text: the leftmost one, and the longest of those that begin there.
#pragma once
#include <array>
#include <string_view>
#include <vector>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

class AddedFinder {
 public:
  explicit AddedFinder(std::vector<AddedToken> tokens);
  bool empty() const { return tokens_.empty(); }
  struct Found {
    size_t at;  // the text's size if none is found
    const AddedToken* token;
  };
  Found find(std::string_view text, size_t from) const;

 private:
  const AddedToken* longest_at(std::string_view text, size_t at) const;

  std::vector<AddedToken> tokens_;  // sorted by content
  std::array<bool, 256> starts_{};
  int only_start_ = -1;
};

}  // namespace corral::tokenizer
