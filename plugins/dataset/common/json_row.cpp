#include "plugins/dataset/common/json_row.h"

#include <charconv>
#include <cstdio>

#include "corral/utf8.h"

namespace corral::data {
namespace {
constexpr int kDeepest = 128;

class Parser {
 public:
  Parser(std::string_view line, size_t longest, JsonRow& row) : line_(line), longest_(longest), row_(row) {}

  void row() {
    skip_space();
    if (peek() == '[') fail("a JSON array: a JSONL file has one object on each line");
    if (peek() != '{') fail("expected a JSON object, such as {\"text\": \"...\"}");
    object_members([&](std::string_view key) { member(key); });
    skip_space();
    if (at_ < line_.size()) fail("something follows the object");
    if (row_.is_ids ? false : !has_text_) fail_at(0, "no field \"text\" or \"input_ids\"" + fields_seen());
    if (row_.is_ids && row_.ids.empty()) fail_at(0, "\"input_ids\" is empty");
    if (row_.has_labels && !row_.is_ids) fail_at(0, "\"labels\" without \"input_ids\"");
    if (row_.has_labels && row_.labels.size() != row_.ids.size())
      fail_at(0, "\"labels\" has " + std::to_string(row_.labels.size()) + " values and \"input_ids\" " + std::to_string(row_.ids.size()) +
                     ": one label for each id, not shifted");
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { fail_at(at_, what); }
  [[noreturn]] static void fail_at(size_t at, const std::string& what) { throw JsonError(at + 1, what); }

  int peek() const { return at_ < line_.size() ? static_cast<unsigned char>(line_[at_]) : -1; }
  void skip_space() {
    while (at_ < line_.size() && (line_[at_] == ' ' || line_[at_] == '\t' || line_[at_] == '\r' || line_[at_] == '\n')) ++at_;
  }
  void expect(char c, const char* where) {
    skip_space();
    if (peek() != c) fail(std::string("expected '") + c + "' " + where + (at_ == line_.size() ? ", but the line ends" : ""));
    ++at_;
  }

  template <class Member>
  void object_members(Member member) {
    expect('{', "");
    skip_space();
    if (peek() == '}') return void(++at_);
    for (;;) {
      skip_space();
      if (peek() != '"') fail("expected a key in double quotes");
      const std::string_view key = string(key_storage_);
      const std::string held(key);
      expect(':', "after a key");
      skip_space();
      member(held);
      skip_space();
      if (peek() == '}') return void(++at_);
      expect(',', "or '}' after a value");
    }
  }

  template <class Element>
  void array_elements(Element element) {
    expect('[', "");
    skip_space();
    if (peek() == ']') return void(++at_);
    for (;;) {
      skip_space();
      element();
      skip_space();
      if (peek() == ']') return void(++at_);
      expect(',', "or ']' after a value");
    }
  }

  void member(std::string_view key) {
    if (key == "text") {
      if (peek() != '"') fail("\"text\" is not a string");
      row_.text = string(row_.unescaped);
      has_text_ = true;
    } else if (key == "input_ids") {
      integers(key, row_.ids, false);
      row_.is_ids = true;
    } else if (key == "labels") {
      integers(key, row_.labels, true);
      row_.has_labels = true;
    } else {
      if (seen_.size() < 200) seen_.append(seen_.empty() ? "\"" : ", \"").append(key.substr(0, 40)).append("\"");
      skip_value(1);
    }
  }

  std::string fields_seen() const { return seen_.empty() ? "" : "; the row has " + seen_; }

  void integers(std::string_view key, std::vector<int32_t>& out, bool none_allowed) {
    const std::string name(key);
    if (peek() != '[') fail("\"" + name + "\" is not an array of integers");
    out.clear();
    array_elements([&] {
      const auto fail_here = [&](const std::string& what) { fail(name + "[" + std::to_string(out.size()) + "]" + what); };
      if (out.size() == longest_)
        fail("\"" + name + "\" has more than " + std::to_string(longest_) +
             " values, which is train.seq_length: cut the row or set train.seq_length higher");
      int32_t value = 0;
      const char* begin = line_.data() + at_;
      const auto [end, error] = std::from_chars(begin, line_.data() + line_.size(), value);
      if (error == std::errc::result_out_of_range) fail_here(" is not a 32-bit integer");
      if (error != std::errc()) fail_here(" is not an integer");
      const char next = end < line_.data() + line_.size() ? *end : ' ';
      if (*begin == '0' && end > begin + 1) fail_here(" has a leading zero");
      if (next == '.' || next == 'e' || next == 'E') fail_here(" is not an integer");
      if (value < 0 && !(none_allowed && value == -100))
        fail_here(" = " + std::to_string(value) +
                  (none_allowed ? ": a label is a token id, or -100 for no target" : ": a token id is not negative"));
      at_ = static_cast<size_t>(end - line_.data());
      out.push_back(value);
    });
  }

  // The string's content: a view of the line, or of `storage` if the string has escapes.
  std::string_view string(std::string& storage) {
    const size_t start = ++at_;
    for (; at_ < line_.size(); ++at_) {
      const unsigned char c = static_cast<unsigned char>(line_[at_]);
      if (c == '"') return line_.substr(start, at_++ - start);
      if (c == '\\') break;
      if (c < 0x20) fail("a control character in a string: write it as an escape");
    }
    storage.assign(line_.substr(start, at_ - start));
    while (at_ < line_.size()) {
      const unsigned char c = static_cast<unsigned char>(line_[at_]);
      if (c == '"') return ++at_, std::string_view(storage);
      if (c < 0x20) fail("a control character in a string: write it as an escape");
      if (c == '\\') {
        ++at_;
        escape(storage);
        continue;
      }
      size_t run = at_;
      while (run < line_.size() && line_[run] != '"' && line_[run] != '\\' && static_cast<unsigned char>(line_[run]) >= 0x20) ++run;
      storage.append(line_, at_, run - at_);
      at_ = run;
    }
    fail("the string does not end on this line");
  }

  void escape(std::string& out) {
    const int c = peek();
    ++at_;
    switch (c) {
      case '"':
      case '\\':
      case '/':
        return out.push_back(static_cast<char>(c));
      case 'b':
        return out.push_back('\b');
      case 'f':
        return out.push_back('\f');
      case 'n':
        return out.push_back('\n');
      case 'r':
        return out.push_back('\r');
      case 't':
        return out.push_back('\t');
      case 'u':
        break;
      default:
        fail_at(at_ - 2, "no such escape in JSON");
    }
    const size_t start = at_ - 2;
    char32_t code = hex4();
    if (code >= 0xD800 && code < 0xDC00 && line_.substr(at_, 2) == "\\u") {
      at_ += 2;
      const char32_t low = hex4();
      if (low < 0xDC00 || low > 0xDFFF) fail_at(start, "half a surrogate pair");
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    } else if (code >= 0xD800 && code <= 0xDFFF) {
      fail_at(start, "half a surrogate pair");
    }
    append_utf8(code, out);
  }

  char32_t hex4() {
    if (at_ + 4 > line_.size()) fail("\\u needs four hexadecimal digits");
    unsigned value = 0;
    const auto [end, error] = std::from_chars(line_.data() + at_, line_.data() + at_ + 4, value, 16);
    if (error != std::errc() || end != line_.data() + at_ + 4) fail("\\u needs four hexadecimal digits");
    at_ += 4;
    return value;
  }

  void skip_value(int depth) {
    if (depth > kDeepest) fail("nested deeper than " + std::to_string(kDeepest) + " levels");
    const int c = peek();
    if (c == '"') return void(string(skipped_));
    if (c == '{') return object_members([&](std::string_view) { skip_value(depth + 1); });
    if (c == '[') return array_elements([&] { skip_value(depth + 1); });
    for (const std::string_view word : {"true", "false", "null"})
      if (line_.substr(at_, word.size()) == word) return void(at_ += word.size());
    skip_number();
  }

  void skip_number() {
    const auto digits = [&] {
      const size_t start = at_;
      while (peek() >= '0' && peek() <= '9') ++at_;
      return at_ - start;
    };
    const size_t start = at_;
    if (peek() == '-') ++at_;
    const bool zero = peek() == '0';
    const size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) fail_at(start, "expected a JSON value");
    if (peek() == '.' && (++at_, digits() == 0)) fail("expected a digit after '.'");
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (digits() == 0) fail("expected a digit in the exponent");
    }
  }

  std::string_view line_;
  size_t at_ = 0;
  const size_t longest_;
  JsonRow& row_;
  bool has_text_ = false;
  std::string key_storage_, skipped_, seen_;
};
}  // namespace

void parse_json_row(std::string_view line, size_t longest, JsonRow& row) {
  row.is_ids = row.has_labels = false;
  row.text = {};
  row.ids.clear();
  row.labels.clear();
  const size_t invalid = first_invalid_utf8(line);
  if (invalid != kAllValid) {
    char byte[8];
    std::snprintf(byte, sizeof byte, "0x%02X", static_cast<unsigned char>(line[invalid]));
    throw JsonError(invalid + 1, std::string("invalid UTF-8, byte ") + byte);
  }
  Parser(line, longest, row).row();
}

}  // namespace corral::data
