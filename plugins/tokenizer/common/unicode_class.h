// The classes of code points that split patterns distinguish.
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
  kSpace,    // \s except newlines
  kNewline,  // \r and \n
};

// A two-stage table: an index of blocks of 256 code points; equal blocks are stored once.
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
