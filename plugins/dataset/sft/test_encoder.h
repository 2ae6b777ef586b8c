// A tokenizer for tests: one id per byte, and one per special token of Llama 3 that a template writes.
#pragma once
#include <array>

#include "plugins/dataset/common/corpus.h"

namespace corral::sft {

constexpr int32_t kBegin = 256, kEndOfText = 257, kStartHeader = 258, kEndHeader = 259, kEndOfTurn = 260;

inline void encode_marked(std::string_view text, std::vector<int32_t>& ids) {
  constexpr std::array<std::string_view, 5> kMarks{"<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>",
                                                   "<|eot_id|>"};
  while (!text.empty()) {
    bool found = false;
    for (size_t i = 0; i < kMarks.size() && !found; ++i)
      if (text.starts_with(kMarks[i])) {
        ids.push_back(256 + static_cast<int32_t>(i));
        text.remove_prefix(kMarks[i].size());
        found = true;
      }
    if (found) continue;
    ids.push_back(static_cast<unsigned char>(text[0]));
    text.remove_prefix(1);
  }
}

inline data::Encoder marked_encoder() {
  data::Encoder encoder{.encode = {}, .end_of_text = kEndOfText, .num_ids = 261};
  encoder.encode = [](std::string_view text, std::vector<int32_t>& ids) {
    ids.clear();
    encode_marked(text, ids);
  };
  return encoder;
}

}  // namespace corral::sft
