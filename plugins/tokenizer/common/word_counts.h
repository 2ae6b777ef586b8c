// How often each piece of a training text is there.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::tokenizer {

class WordCounts {
 public:
  struct Word {
    uint64_t begin;  // in the bytes of all words
    uint32_t size;
    uint64_t count;  // 0: an empty slot
  };
  WordCounts();
  void add(std::string_view word, uint64_t count = 1);
  void add(const WordCounts& other);
  std::string_view text(const Word& word) const { return std::string_view(bytes_).substr(word.begin, word.size); }
  // Sorted, so that the order in which they were found does not matter.
  std::vector<Word> sorted() const;

 private:
  void grow();
  std::string bytes_;
  std::vector<Word> slots_;
  size_t used_ = 0;
};

}  // namespace corral::tokenizer
