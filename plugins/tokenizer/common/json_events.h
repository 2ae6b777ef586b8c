// tokenizer.json event by event: the vocabulary and the merges, nearly all of the file, go to lists; the rest becomes a small tree.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corral::tokenizer {

struct TokenizerJson {
  nlohmann::json rest;                                     // without model.vocab and model.merges
  std::vector<std::pair<std::string, uint64_t>> vocab;     // as written
  std::string merge_texts;                                 // left and right of each merge, one behind the other
  std::vector<std::pair<uint32_t, uint32_t>> merge_sizes;  // of left and right
};

// Throws Error (2) naming file and place.
TokenizerJson read_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace corral::tokenizer
