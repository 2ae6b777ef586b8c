// The names of Llama 3's special tokens.
#pragma once
#include <string>
#include <string_view>
#include <vector>

namespace corral::tokenizer {

// `count` names, beginning with the id after the last ordinary one. `version` is "3" or "3.1"; throws Error (2) for any other.
std::vector<std::string> llama_special_tokens(std::string_view version, size_t count);

}  // namespace corral::tokenizer
