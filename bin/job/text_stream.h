// Tokens as text while they come: only whole characters, and nothing that may turn out to be the text that ends all.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "kernel/plugin/tokenizer.h"

namespace corral::job {

class TextStream {
 public:
  // `tokenizer` may be null: then there is no text.
  TextStream(const TokenizerHandle* tokenizer, std::vector<std::string> stops, bool show_special)
      : tokenizer_(tokenizer), stops_(std::move(stops)), show_special_(show_special) {}

  // False where one of the stop texts is complete; it, and what follows it, is left out.
  bool add(int32_t id);
  // What can be shown and was not taken yet.
  std::string take();
  // Nothing comes any more: what was held back is shown.
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
