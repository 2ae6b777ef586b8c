// Splits text by any pattern, with PCRE2.
#pragma once
#include <memory>
#include <string>
#include <string_view>

namespace corral::tokenizer {

class Pattern {
 public:
  // Throws Error (2), naming `where`, if the pattern is invalid or can match the empty text.
  Pattern(const std::string& pattern, const std::string& where);
  ~Pattern();
  Pattern(Pattern&&) noexcept;
  const std::string& text() const { return text_; }

  // The pieces of a valid UTF-8 text: the matches and the text between them.
  class Pieces {
   public:
    Pieces(const Pattern& pattern, std::string_view text);
    ~Pieces();
    Pieces(const Pieces&) = delete;
    // The next piece; empty at the end.
    std::string_view next();

   private:
    const Pattern& pattern_;
    std::string_view text_;
    size_t at_ = 0, match_begin_ = 0, match_end_ = 0;
    void* data_;
  };

 private:
  std::string text_;
  void* code_ = nullptr;
};

}  // namespace corral::tokenizer
