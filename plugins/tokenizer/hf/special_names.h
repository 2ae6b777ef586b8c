// The begin and end tokens that tokenizer_config.json and special_tokens_map.json name.
#pragma once
#include <string>

namespace corral::tokenizer {

struct SpecialNames {
  std::string bos, eos;  // "": none is named
  std::string bos_file, eos_file;
};

// Of the files beside `tokenizer_json` that are there. Throws Error (2) for a file that is no JSON object.
SpecialNames read_special_names(const std::string& folder);

}  // namespace corral::tokenizer
