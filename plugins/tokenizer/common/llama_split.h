// Llama 3's split of text into pieces before merging, written by hand: consecutive matches of its pattern.
#pragma once
#include <array>
#include <cstdint>
#include <string_view>

#include "corral/utf8.h"
#include "plugins/tokenizer/common/unicode_class.h"

namespace corral::tokenizer {

// In order: contractions; letters after at most one other character; one to three digits; punctuation after at most one space, with the
// newlines after it; white space up to the last newline; white space but its last character, if text follows; white space.
inline constexpr std::string_view kLlamaPattern =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

class LlamaSplit {
 public:
  LlamaSplit() : classes_(ClassTable::get()) {
    for (uint32_t c = 0; c < 128; ++c) ascii_[c] = classes_[c];
  }

  // The end of the piece that begins at `at` < `end`; both point into valid UTF-8.
  const char* piece(const char* at, const char* end) const {
    const Next first = next(at);
    const char* after = at + first.size;
    switch (first.what) {
      case Class::kLetter:
        return letters(after, end);
      case Class::kNumber:
        for (int i = 0; i < 2 && after < end; ++i) {
          const Next digit = next(after);
          if (digit.what != Class::kNumber) break;
          after += digit.size;
        }
        return after;
      case Class::kOther:
        if (*at == '\'')
          if (const char* contraction = contraction_end(after, end)) return contraction;
        if (after < end)
          if (const Next second = next(after); second.what == Class::kLetter) return letters(after + second.size, end);
        return others(after, end);
      case Class::kSpace:
        if (after < end) {
          const Next second = next(after);
          if (second.what == Class::kLetter) return letters(after + second.size, end);
          if (second.what == Class::kOther && *at == ' ') return others(after + second.size, end);
        }
        return blanks(at, end);
      case Class::kNewline:
        return blanks(at, end);
    }
    return after;
  }

 private:
  struct Next {
    Class what;
    uint32_t size;
  };
  Next next(const char* at) const {
    const auto byte = static_cast<unsigned char>(*at);
    if (byte < 0x80) return {ascii_[byte], 1};
    const CodePoint c = code_point(at);
    return {classes_[c.code], c.size};
  }

  const char* letters(const char* at, const char* end) const {
    while (at < end) {
      const Next c = next(at);
      if (c.what != Class::kLetter) break;
      at += c.size;
    }
    return at;
  }

  const char* others(const char* at, const char* end) const {
    while (at < end) {
      const Next c = next(at);
      if (c.what != Class::kOther) break;
      at += c.size;
    }
    while (at < end && (*at == '\r' || *at == '\n')) ++at;
    return at;
  }

  const char* blanks(const char* const begin, const char* end) const {
    const char *at = begin, *after_newline = nullptr, *last = begin;
    while (at < end) {
      const Next c = next(at);
      if (c.what != Class::kSpace && c.what != Class::kNewline) break;
      last = at;
      at += c.size;
      if (c.what == Class::kNewline) after_newline = at;
    }
    if (after_newline) return after_newline;
    return at == end || last == begin ? at : last;
  }

  // The end of a contraction, given the byte after its apostrophe, or null. ſ (U+017F) counts as s, since the pattern ignores case.
  static const char* contraction_end(const char* at, const char* end) {
    if (at == end) return nullptr;
    const char first = static_cast<char>(*at | 0x20);
    if (first == 's' || first == 't' || first == 'm' || first == 'd') return at + 1;
    if (end - at < 2) return nullptr;
    if (at[0] == '\xC5' && at[1] == '\xBF') return at + 2;
    const char second = static_cast<char>(at[1] | 0x20);
    const bool both = (first == 'r' && second == 'e') || (first == 'v' && second == 'e') || (first == 'l' && second == 'l');
    return both ? at + 2 : nullptr;
  }

  const ClassTable& classes_;
  std::array<Class, 128> ascii_;
};

}  // namespace corral::tokenizer
