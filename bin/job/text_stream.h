// Decodes tokens to text as they come. Shows only whole characters, and holds back text that may become a stop text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/plugin/tokenizer.h"

namespace corral::job {

class TextStream {
 public:
  // `tokenizer` may be null; then there is no text.
  TextStream(const TokenizerHandle* tokenizer, std::vector<std::string> stops, bool show_special)
      : tokenizer_(tokenizer), stops_(std::move(stops)), show_special_(show_special) {}

  // Adds a token. Returns false if a stop text is complete; the stop text and everything after it are left out.
  bool add(int32_t id);
  // The text that can be shown and was not returned yet.
  std::string take();
  // Ends the stream: text that was held back can be shown.
  void end() { ended_ = true; }

 private:
  const TokenizerHandle* tokenizer_;
  std::vector<std::string> stops_;
  bool show_special_;
  std::string text_;
  size_t taken_ = 0;
  bool ended_ = false;
};

}  // namespace corral::job
