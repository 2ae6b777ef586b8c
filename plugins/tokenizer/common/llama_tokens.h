// The special tokens of Llama 3 under their names.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace corral::tokenizer {

// `count` names, the first for the id behind the last ordinary one. `version` is "3" or "3.1"; throws Error (2) for another.
std::vector<std::string> llama_special_tokens(std::string_view version, size_t count);

}  // namespace corral::tokenizer
