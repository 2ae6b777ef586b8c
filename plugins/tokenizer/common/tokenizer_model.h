// Parses Meta's tokenizer.model: each line has a token in base64 and its rank. The merges follow from the ranks.
#pragma once
#include <string_view>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

constexpr size_t kModelSpecialTokens = 256;

// True if the text begins like such a file.
bool looks_like_tokenizer_model(std::string_view beginning);

// Adds Llama 3's pattern, its special tokens after the last rank, and the first of them before each text. `version`, "3" or "3.1", chooses
// the special tokens' names. Throws Error (2) naming file and line.
Definition parse_tokenizer_model(std::string_view text, const std::string& file, std::string_view version);

}  // namespace corral::tokenizer
