// tokenizer.json: byte-level BPE as Llama 3 has it.
#pragma once
#include <string_view>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

// Throws Error (2), naming `file` and the key, for what is broken and for what would be tokenized otherwise than by this library.
Definition parse_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace corral::tokenizer
