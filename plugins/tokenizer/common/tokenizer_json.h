// Parses tokenizer.json: byte-level BPE in the form of Llama 3.
#pragma once
#include <string_view>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

// Throws Error (2) naming `file` and the key, for damage and for any setting that this library would tokenize differently.
Definition parse_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace corral::tokenizer
