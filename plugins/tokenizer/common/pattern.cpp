#include "plugins/tokenizer/common/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <new>
#include <utility>

#include "corral/error.h"

namespace corral::tokenizer {
namespace {

constexpr size_t kLongestPattern = 4096;

std::string message_of(int code) {
  unsigned char text[256];
  return pcre2_get_error_message(code, text, sizeof text) < 0 ? std::to_string(code) : reinterpret_cast<char*>(text);
}

// Replaces \s by Unicode's White_Space: PCRE2 also counts U+180E.
std::string with_white_space(std::string_view pattern, const std::string& where) {
  constexpr std::string_view kMembers = "\\t-\\r\\x{85}\\p{Z}";
  std::string result;
  bool in_class = false;
  for (size_t i = 0; i < pattern.size(); ++i) {
    const char c = pattern[i];
    if (c == '\\' && i + 1 < pattern.size()) {
      const char escaped = pattern[++i];
      if (escaped == 's') {
        result.append(in_class ? "" : "[").append(kMembers).append(in_class ? "" : "]");
      } else if (escaped == 'S') {
        if (in_class) fail("{}: \\S inside [ ] in the pattern {}: not supported", where, pattern);
        result.append("[^").append(kMembers).append("]");
      } else {
        result.append({c, escaped});
      }
      continue;
    }
    if (c == '[') in_class = true;
    if (c == ']') in_class = false;
    result.push_back(c);
  }
  return result;
}

}  // namespace

Pattern::Pattern(const std::string& pattern, const std::string& where) : text_(pattern) {
  if (pattern.size() > kLongestPattern) fail("{}: a pattern of {} bytes, expected at most {}", where, pattern.size(), kLongestPattern);
  const std::string text = with_white_space(pattern, where);
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code = pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(), PCRE2_UTF | PCRE2_UCP, &error, &at, nullptr);
  if (!code) fail("{}: the pattern {}: {}", where, pattern, message_of(error));
  code_ = code;
  uint32_t matches_empty = 0;
  pcre2_pattern_info(code, PCRE2_INFO_MATCHEMPTY, &matches_empty);
  if (matches_empty) {
    pcre2_code_free(code);
    fail("{}: the pattern {} matches the empty text: not supported", where, pattern);
  }
  pcre2_jit_compile(code, PCRE2_JIT_COMPLETE);  // without it, matching is only slower
}

Pattern::Pattern(Pattern&& other) noexcept : text_(std::move(other.text_)), code_(std::exchange(other.code_, nullptr)) {}

Pattern::~Pattern() { pcre2_code_free(static_cast<pcre2_code*>(code_)); }

Pattern::Pieces::Pieces(const Pattern& pattern, std::string_view text)
    : pattern_(pattern), text_(text), data_(pcre2_match_data_create(1, nullptr)) {
  if (!data_) throw std::bad_alloc();
}

Pattern::Pieces::~Pieces() { pcre2_match_data_free(static_cast<pcre2_match_data*>(data_)); }

std::string_view Pattern::Pieces::next() {
  if (at_ == text_.size()) return {};
  if (at_ == match_end_) {
    auto* data = static_cast<pcre2_match_data*>(data_);
    const int found = pcre2_match(static_cast<pcre2_code*>(pattern_.code_), reinterpret_cast<PCRE2_SPTR>(text_.data()), text_.size(), at_,
                                  PCRE2_NO_UTF_CHECK, data, nullptr);
    match_begin_ = match_end_ = text_.size();
    if (found > 0) {
      const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
      match_begin_ = ends[0];
      match_end_ = ends[1];
    } else if (found != PCRE2_ERROR_NOMATCH) {
      // Usually the match limit: the pattern takes too long on this text.
      fail("the tokenizer's pattern {} at byte {} of the text: {}", pattern_.text_, at_, message_of(found));
    }
    if (match_end_ <= at_) match_end_ = match_begin_ = text_.size();
  }
  const size_t begin = std::exchange(at_, at_ < match_begin_ ? match_begin_ : match_end_);
  return text_.substr(begin, at_ - begin);
}

}  // namespace corral::tokenizer
