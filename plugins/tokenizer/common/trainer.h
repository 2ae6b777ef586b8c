// Trains byte-level BPE: repeatedly makes the most frequent pair of neighbours a token, among equally frequent pairs the one with the
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
  uint32_t vocab_size;   // 256 bytes, merged tokens and special tokens together
  unsigned threads = 0;  // 0: all cores; the result does not depend on it
};

// Uses Llama 3's pattern and special tokens, and puts <|begin_of_text|> before each text. Special tokens spelled in the text are skipped.
// Throws Error (2) if the size is too small or larger than the text yields.
Definition train(const TrainSettings& settings, const std::function<bool(std::string_view& document)>& next);

}  // namespace corral::tokenizer
