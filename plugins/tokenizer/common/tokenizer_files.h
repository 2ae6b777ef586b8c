// Writes a tokenizer as the files that Hugging Face's libraries open.
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "plugins/tokenizer/common/definition.h"

namespace corral::tokenizer {

struct WrittenFile {
  std::string name, content;
};

// tokenizer.json, tokenizer_config.json with Llama 3's chat template, special_tokens_map.json. `eos` is the content of the end token.
std::vector<WrittenFile> make_tokenizer_files(const Definition& definition, const std::string& eos);

}  // namespace corral::tokenizer
