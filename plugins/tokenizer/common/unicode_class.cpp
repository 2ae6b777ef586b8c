#include "plugins/tokenizer/common/unicode_class.h"

#include <cassert>
#include <cstring>
#include <vector>

namespace corral::tokenizer {
namespace {
// The Unicode property White_Space.
constexpr CodePoints kSpaces[] = {{0x09, 0x0D},     {0x20, 0x20},     {0x85, 0x85},     {0xA0, 0xA0},     {0x1680, 0x1680},
                                  {0x2000, 0x200A}, {0x2028, 0x2029}, {0x202F, 0x202F}, {0x205F, 0x205F}, {0x3000, 0x3000}};
}  // namespace

ClassTable::ClassTable() {
  std::vector<Class> all(0x110000, Class::kOther);
  const auto fill = [&](const CodePoints* ranges, size_t count, Class value) {
    for (size_t i = 0; i < count; ++i)
      for (uint32_t code = ranges[i].first; code <= ranges[i].last; ++code) all[code] = value;
  };
  fill(kLetters, kLettersCount, Class::kLetter);
  fill(kNumbers, kNumbersCount, Class::kNumber);
  fill(kSpaces, std::size(kSpaces), Class::kSpace);
  all['\r'] = all['\n'] = Class::kNewline;
  size_t different = 0;
  for (size_t block = 0; block < kBlocks; ++block) {
    size_t same = 0;
    while (same < different && std::memcmp(blocks_[same], &all[block << 8], 256) != 0) ++same;
    assert(same < kMostDifferent);
    if (same == different) std::memcpy(blocks_[different++], &all[block << 8], 256);
    index_[block] = static_cast<uint8_t>(same);
  }
}

const ClassTable& ClassTable::get() {
  static const ClassTable table;
  return table;
}

}  // namespace corral::tokenizer
