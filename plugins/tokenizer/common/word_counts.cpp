#include "plugins/tokenizer/common/word_counts.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>

namespace corral::tokenizer {

WordCounts::WordCounts() : slots_(1 << 12) {}

void WordCounts::add(std::string_view word, uint64_t count) {
  const size_t mask = slots_.size() - 1;
  size_t i = XXH3_64bits(word.data(), word.size()) & mask;
  while (slots_[i].count > 0 && text(slots_[i]) != word) i = (i + 1) & mask;
  if (slots_[i].count == 0) {
    slots_[i] = {bytes_.size(), static_cast<uint32_t>(word.size()), count};
    bytes_ += word;
    if (++used_ * 2 > slots_.size()) grow();
  } else {
    slots_[i].count += count;
  }
}

void WordCounts::add(const WordCounts& other) {
  for (const Word& word : other.slots_)
    if (word.count > 0) add(other.text(word), word.count);
}

void WordCounts::grow() {
  std::vector<Word> old(slots_.size() * 2);
  old.swap(slots_);
  const size_t mask = slots_.size() - 1;
  for (const Word& word : old) {
    if (word.count == 0) continue;
    const std::string_view bytes = text(word);
    size_t i = XXH3_64bits(bytes.data(), bytes.size()) & mask;
    while (slots_[i].count > 0) i = (i + 1) & mask;
    slots_[i] = word;
  }
}

std::vector<WordCounts::Word> WordCounts::sorted() const {
  std::vector<Word> words;
  for (const Word& word : slots_)
    if (word.count > 0) words.push_back(word);
  std::sort(words.begin(), words.end(), [&](const Word& a, const Word& b) { return text(a) < text(b); });
  return words;
}

}  // namespace corral::tokenizer
