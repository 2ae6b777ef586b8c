// The begin and end tokens named by tokenizer_config.json and special_tokens_map.json.
#pragma once
#include <string>

namespace corral::tokenizer {

struct SpecialNames {
  std::string bos, eos;  // "" if not named
  std::string bos_file, eos_file;
};

// Reads those of the two files that exist in the folder. Throws Error (2) if one is not a JSON object.
SpecialNames read_special_names(const std::string& folder);

}  // namespace corral::tokenizer
