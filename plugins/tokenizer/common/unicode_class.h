// Classes of code points as split patterns see them.
#pragma once
#include <cstddef>
#include <cstdint>

namespace corral::tokenizer {

struct CodePoints {
  uint32_t first, last;
};
extern const CodePoints kLetters[], kNumbers[];
extern const size_t kLettersCount, kNumbersCount;

enum class Class : uint8_t {
  kOther,
  kLetter,   // \p{L}
  kNumber,   // \p{N}
  kSpace,    // \s without the two below
  kNewline,  // \r and \n
};

// Two stages: blocks of 256 code points, each different block stored once.
class ClassTable {
 public:
  static const ClassTable& get();
  Class operator[](uint32_t code) const { return blocks_[index_[code >> 8]][code & 255]; }

 private:
  ClassTable();
  static constexpr size_t kBlocks = 0x110000 >> 8, kMostDifferent = 256;
  uint8_t index_[kBlocks];
  Class blocks_[kMostDifferent][256];
};

}  // namespace corral::tokenizer
