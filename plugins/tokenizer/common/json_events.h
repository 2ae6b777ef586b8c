// Parses tokenizer.json event by event: vocabulary and merges, nearly all of the file, become lists; the rest becomes a small tree.
#pragma once
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace corral::tokenizer {

struct TokenizerJson {
  nlohmann::json rest;                                     // everything but model.vocab and model.merges
  std::vector<std::pair<std::string, uint64_t>> vocab;     // in the order of the file
  std::string merge_texts;                                 // left and right of each merge, concatenated
  std::vector<std::pair<uint32_t, uint32_t>> merge_sizes;  // sizes of left and right
};

// Throws Error (2) naming file and position.
TokenizerJson read_tokenizer_json(std::string_view text, const std::string& file);

}  // namespace corral::tokenizer
