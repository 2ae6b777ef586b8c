// A text with fields of the row, the last of which is the answer: "{input} {output}".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/sft/chat.h"
#include "plugins/dataset/sft/row.h"

namespace corral::sft {

class PlainFormat {
 public:
  // Throws Error where the text is no format.
  explicit PlainFormat(const std::string& text);
  static bool is_format(std::string_view text) { return text.find('{') != std::string_view::npos; }

  // Whether it names every field that the form must have.
  bool fits(Form form) const;
  // Fields are taken without white space at their ends. White space before the answer belongs to it, as tokenizers join it with what
  // follows.
  std::vector<Piece> write(const Json& row, int32_t end_of_text, const Place& place) const;
  const std::string& text() const { return text_; }

 private:
  struct Part {
    std::string literal;
    std::string field;  // "": only the literal
  };
  std::string text_;
  std::vector<Part> parts_;
};

}  // namespace corral::sft
