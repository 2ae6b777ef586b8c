// A text with fields of the row, "{input} {output}"; the last field is the answer.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/sft/chat.h"
#include "plugins/dataset/sft/row.h"

namespace corral::sft {

class PlainFormat {
 public:
  // Throws Error if the text is not such a format.
  explicit PlainFormat(const std::string& text);
  static bool is_format(std::string_view text) { return text.find('{') != std::string_view::npos; }

  // True if the format names every field that the form requires.
  bool fits(Form form) const;
  // Fields are trimmed. White space before the answer belongs to the answer, because tokenizers join it with the word that follows.
  std::vector<Piece> write(const Json& row, int32_t end_of_text, const Place& place) const;
  const std::string& text() const { return text_; }

 private:
  struct Part {
    std::string literal;
    std::string field;  // "" after the last field: only the literal
  };
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace corral::sft
