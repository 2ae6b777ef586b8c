// A hash table of the pieces of a training text and their counts.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace corral::tokenizer {

class WordCounts {
 public:
  struct Word {
    uint64_t begin;  // index into the bytes of all words
    uint32_t size;
    uint64_t count;  // 0 in an empty slot
  };
  WordCounts();
  void add(std::string_view word, uint64_t count = 1);
  void add(const WordCounts& other);
  std::string_view text(const Word& word) const { return std::string_view(bytes_).substr(word.begin, word.size); }
  // Sorted by text, so that the result does not depend on the order of insertion.
  std::vector<Word> sorted() const;

 private:
  void grow();
  std::string bytes_;
  std::vector<Word> slots_;
  size_t used_ = 0;
};

}  // namespace corral::tokenizer
