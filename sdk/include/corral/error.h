// Errors for the user: a sentence and the program's exit code. Header-only.
#pragma once

#include <algorithm>
#include <cstdint>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corral {

// Exit codes: 1 a check failed, 2 the user's input is wrong, 3 the environment failed, 4 a bug.
class Error : public std::runtime_error {
 public:
  Error(int exit_code, const std::string& text) : std::runtime_error(text), exit_code_(exit_code) {}
  int exit_code() const { return exit_code_; }

 private:
  int exit_code_;
};

// Something is not offered here: a normal answer to a caller that asks.
class Unsupported : public Error {
 public:
  explicit Unsupported(const std::string& text) : Error(2, text) {}
};

// Memory, disk or a buffer is too small.
class NoSpace : public Error {
 public:
  explicit NoSpace(const std::string& text) : Error(3, text) {}
};

namespace detail {
inline void format_into(std::ostringstream& out, std::string_view text) { out << text; }
template <class T, class... Rest>
void format_into(std::ostringstream& out, std::string_view text, const T& value, const Rest&... rest) {
  const size_t at = text.find("{}");
  if (at == std::string_view::npos) {
    out << text;
    return;
  }
  out << text.substr(0, at) << value;
  format_into(out, text.substr(at + 2), rest...);
}
}  // namespace detail

// Replaces each {} by the next value.
template <class... Values>
std::string format(std::string_view text, const Values&... values) {
  std::ostringstream out;
  out.precision(10);
  out << std::boolalpha;
  detail::format_into(out, text, values...);
  return out.str();
}

template <class... Values>
[[noreturn]] void fail(std::string_view text, const Values&... values) {
  throw Error(2, format(text, values...));
}
template <class... Values>
[[noreturn]] void fail_environment(std::string_view text, const Values&... values) {
  throw Error(3, format(text, values...));
}
template <class... Values>
[[noreturn]] void fail_check(std::string_view text, const Values&... values) {
  throw Error(1, format(text, values...));
}
template <class... Values>
[[noreturn]] void fail_bug(std::string_view text, const Values&... values) {
  throw Error(4, format(text, values...));
}

// Returns the Levenshtein distance.
inline size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t next = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])});
      diagonal = row[j];
      row[j] = next;
    }
  }
  return row[b.size()];
}

// Returns the nearest candidate, or "" if none is near.
inline std::string nearest(std::string_view name, const std::vector<std::string>& candidates) {
  std::string best;
  size_t best_distance = std::max<size_t>(2, name.size() / 2);
  for (const std::string& c : candidates)
    if (const size_t d = edit_distance(name, c); d < best_distance || (d == best_distance && best.empty())) {
      best = c;
      best_distance = d;
    }
  return best;
}

// Returns "\n       did you mean "x"?", or the list of candidates if none is near.
inline std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  if (const std::string near = nearest(name, candidates); !near.empty()) return "\n       did you mean \"" + near + "\"?";
  std::string all;
  for (const std::string& c : candidates) all += (all.empty() ? "\n       one of: " : ", ") + c;
  return all;
}

}  // namespace corral
