// A tokenizer for tests: one id per byte, but 256 for `qu`; the end of text is 300.
#pragma once
#include "plugins/dataset/common/corpus.h"

namespace corral::data {

inline Encoder byte_encoder() {
  Encoder encoder{.encode = {}, .end_of_text = 300, .num_ids = 301};
  encoder.encode = [](std::string_view text, std::vector<int32_t>& ids) {
    ids.clear();
    for (size_t i = 0; i < text.size(); ++i) {
      if (text.substr(i, 2) == "qu") {
        ids.push_back(256);
        ++i;
      } else {
        ids.push_back(static_cast<unsigned char>(text[i]));
      }
    }
  };
  return encoder;
}

}  // namespace corral::data
