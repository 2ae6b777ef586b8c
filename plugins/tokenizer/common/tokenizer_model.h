// Meta's tokenizer.model: a token in base64 and its rank on each line. What a piece of text merges to follows from the ranks alone.
#pragma once
#include <string_view>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

constexpr size_t kModelSpecialTokens = 256;

// Does it begin as such a file does?
bool looks_like_tokenizer_model(std::string_view beginning);

// With Llama 3's pattern and its special tokens behind the last rank, the first of them before each text. `version`: "3" or "3.1", whose
// names. Throws Error (2) naming file and line.
Definition parse_tokenizer_model(std::string_view text, const std::string& file, std::string_view version);

}  // namespace corral::tokenizer
