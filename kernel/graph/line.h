// Reads one line of a graph's text word by word.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "corral/error.h"

namespace corral::graph {

class Line {
 public:
  Line(std::string_view text, size_t number) : rest_(text), number_(number) {}

  // The next character after blanks, or 0 at the end.
  char next();
  bool ends() { return next() == 0; }
  // Consumes this text if it is next. Returns whether it was.
  bool take(char c);
  bool is(std::string_view word);
  bool take(std::string_view word);
  void need(char c);
  void end();

  // Consumes a word, or a text in quotes.
  bool has_name();
  bool has_type();  // a word before a bracket
  std::string name(const char* expected);
  // Consumes everything up to a blank, a bracket or a comma.
  std::string_view word();
  template <class T>
  T integer(const char* expected) {
    return number<T>(word(), expected);
  }
  template <class T>
  T number(std::string_view word, const char* expected);

  // Consumes one of the names of an enumeration's values.
  template <class E, class Words>
  bool choice(E& value, const Words& words) {
    for (size_t i = 0; i < words.size(); ++i)
      if (*words[i] && take(std::string_view(words[i]))) return value = static_cast<E>(i), true;
    return false;
  }

  // The same; throws if another text is next.
  template <class E, class Words>
  void choice_of(E& value, const Words& words) {
    if (choice(value, words)) return;
    std::string all = "one of:";
    for (const char* word : words) all += std::string(" ") + word;
    expected(all);
  }

  [[noreturn]] void expected(const std::string& what);
  template <class... Values>
  [[noreturn]] void wrong(std::string_view sentence, const Values&... values) {
    fail("line {}: {}", number_, format(sentence, values...));
  }
  size_t number() const { return number_; }

 private:
  std::string_view rest_;
  size_t number_;
};

}  // namespace corral::graph
