// Trains byte-level BPE: again and again the most frequent pair of neighbours becomes a token; of equally frequent ones that of the
// smallest ids.
#pragma once
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

struct TrainSettings {
  uint32_t vocab_size;   // bytes, merged tokens and special ones
  unsigned threads = 0;  // 0: all cores; the result does not depend on it
};

// With Llama 3's pattern, its special tokens, and <|begin_of_text|> before each text. Special tokens that the text spells are not learned
// from. Throws Error (2) where the size is too small, or larger than the text yields.
Definition train(const TrainSettings& settings, const std::function<bool(std::string_view& document)>& next);

}  // namespace corral::tokenizer
