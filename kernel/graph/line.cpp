#include "kernel/graph/line.h"

#include <charconv>

#include "kernel/graph/words.h"

namespace corral::graph {
namespace {

int digit(char c) { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

}  // namespace

char Line::next() {
  while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\t' || rest_[0] == '\r')) rest_.remove_prefix(1);
  return rest_.empty() ? '\0' : rest_[0];
}

bool Line::take(char c) {
  if (next() != c || rest_.empty()) return false;
  rest_.remove_prefix(1);
  return true;
}

bool Line::is(std::string_view word) {
  next();
  return rest_.starts_with(word) && (rest_.size() == word.size() || !in_word(word.back()) || !in_word(rest_[word.size()]));
}

bool Line::take(std::string_view word) {
  if (!is(word)) return false;
  rest_.remove_prefix(word.size());
  return true;
}

void Line::need(char c) {
  if (!take(c)) expected(std::string("\"") + c + "\"");
}

void Line::end() {
  if (!ends()) expected("the end of the line");
}

bool Line::has_name() { return next() == '"' || begins_word(next()); }

bool Line::has_type() {
  if (!begins_word(next())) return false;
  size_t end = 1;
  while (end < rest_.size() && in_word(rest_[end])) ++end;
  return end < rest_.size() && rest_[end] == '[';
}

std::string Line::name(const char* what) {
  if (!has_name()) expected(what);
  if (rest_[0] != '"') return std::string(word());
  std::string name;
  for (size_t at = 1; at < rest_.size(); ++at) {
    if (rest_[at] == '"') {
      rest_.remove_prefix(at + 1);
      return name;
    }
    const std::string_view escape = rest_.substr(at, 4);
    if (escape.size() == 4 && escape.starts_with("\\x") && digit(escape[2]) >= 0 && digit(escape[3]) >= 0) {
      name += static_cast<char>(digit(escape[2]) * 16 + digit(escape[3]));
      at += 3;
    } else if (escape.starts_with("\\")) {
      if (escape.size() < 2 || (escape[1] != '"' && escape[1] != '\\')) break;
      name += escape[1];
      at += 1;
    } else {
      name += escape[0];
    }
  }
  expected("a name that ends with a quote and escapes with \\\", \\\\ or \\x0a");
}

std::string_view Line::word() {
  next();
  size_t size = 0;
  while (size < rest_.size() && (in_word(rest_[size]) || rest_[size] == '+')) ++size;
  const std::string_view word = rest_.substr(0, size);
  rest_.remove_prefix(size);
  return word;
}

template <class T>
T Line::number(std::string_view word, const char* what) {
  T value{};
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), value);
  if (word.empty() || error != std::errc() || end != word.data() + word.size()) {
    rest_ = {word.data(), rest_.size() + word.size()};
    expected(what);
  }
  return value;
}
template double Line::number(std::string_view, const char*);
template int64_t Line::number(std::string_view, const char*);
template uint32_t Line::number(std::string_view, const char*);

void Line::expected(const std::string& what) {
  next();
  wrong("expected {}, got {}", what, rest_.empty() ? "the end of the line" : "\"" + std::string(rest_.substr(0, 30)) + "\"");
}

}  // namespace corral::graph
