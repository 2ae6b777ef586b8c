// Literals to typed values and back.
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "corral/error.h"
#include "kernel/config/schema.h"

namespace corral::config {
namespace {

std::optional<bool> to_bool(const Literal& literal) {
  if (literal.kind == Literal::kString) return {};
  if (literal.text == "true" || literal.text == "1") return true;
  if (literal.text == "false" || literal.text == "0") return false;
  return {};
}

std::optional<int64_t> to_integer(const std::string& text) {
  int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return {};
  return value;
}

std::optional<double> to_number(const std::string& text) {
  double value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end || !std::isfinite(value)) return {};
  return value;
}

// Splits a list such as a,b or a b or [a, "b c"] at commas and blanks outside quotes.
std::vector<std::string> split_list(std::string text) {
  if (text.size() >= 2 && text.front() == '[' && text.back() == ']') text = text.substr(1, text.size() - 2);
  std::vector<std::string> items;
  std::string item;
  char quote = 0;
  bool begun = false;
  for (const char c : text) {
    if (quote ? c == quote : c == '"' || c == '\'') {
      quote = quote ? 0 : c;
      begun = true;
    } else if (!quote && (c == ',' || c == ' ' || c == '\t' || c == '\n')) {
      if (begun) items.push_back(std::move(item));
      item.clear();
      begun = false;
    } else {
      item += c;
      begun = true;
    }
  }
  if (begun) items.push_back(std::move(item));
  return items;
}

std::string number_text(double value) {
  char buffer[32];
  const bool whole = value == std::trunc(value) && std::abs(value) < 1e15;  // 500000.0, not 5e+05
  const auto end = (whole ? std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed)
                          : std::to_chars(buffer, buffer + sizeof buffer, value))
                       .ptr;
  std::string text(buffer, end);
  if (text.find_first_of(".en") == std::string::npos) text += ".0";
  return text;
}

}  // namespace

std::string expected(const Field& field) {
  const std::string least = std::isfinite(field.min) && field.min > -2e9 ? format(" of {} or more", field.min) : "";
  switch (field.type) {
    case Field::kBool:
      return "true or false";
    case Field::kInteger:
      return "an integer" + least;
    case Field::kNumber:
      return "a number" + least;
    case Field::kList:
      return "texts, such as a,b";
    case Field::kText:
      break;
  }
  std::string all;
  for (const std::string& choice : field.choices) all += (all.empty() ? "one of " : ", ") + choice;
  return all.empty() ? "a text" : all;
}

std::optional<Value> convert(const Field& field, const std::vector<Literal>& literals) {
  if (field.type == Field::kList) {
    std::vector<std::string> items;
    for (const Literal& literal : literals) {
      if (literal.kind == Literal::kText)
        for (std::string& item : split_list(literal.text)) items.push_back(std::move(item));
      else if (literal.kind == Literal::kString)
        items.push_back(literal.text);
      else
        return {};
    }
    return items;
  }
  if (literals.size() != 1) return {};
  const Literal& literal = literals[0];
  const bool textual = literal.kind == Literal::kString;
  switch (field.type) {
    case Field::kBool:
      if (const auto value = to_bool(literal)) return *value;
      return {};
    case Field::kInteger: {
      const auto value = to_integer(literal.text);
      if (textual || !value || static_cast<double>(*value) < field.min || static_cast<double>(*value) > field.max) return {};
      return *value;
    }
    case Field::kNumber: {
      const auto value = to_number(literal.text);
      if (textual || !value || *value < field.min || *value > field.max) return {};
      return *value;
    }
    default:
      break;
  }
  if (!field.choices.empty()) {
    for (const std::string& choice : field.choices)
      if (choice == literal.text) return literal.text;
    return {};
  }
  if (literal.kind == Literal::kInteger || literal.kind == Literal::kFloat || literal.kind == Literal::kIdentifier) return {};
  return literal.text;
}

Value convert_freely(const std::vector<Literal>& literals, bool is_list) {
  if (is_list || literals.size() != 1) {
    std::vector<std::string> items;
    for (const Literal& literal : literals) items.push_back(literal.text);
    return items;
  }
  const Literal& literal = literals[0];
  if (literal.kind == Literal::kString) return literal.text;
  if (literal.text == "true" || literal.text == "false") return literal.text == "true";
  if (const auto value = to_integer(literal.text)) return *value;
  if (const auto value = to_number(literal.text)) return *value;
  return literal.text;
}

std::string to_text(const Value& value) {
  struct Writer {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return number_text(v); }
    std::string operator()(const std::string& v) const { return quoted(v); }
    std::string operator()(const std::vector<std::string>& v) const {
      std::string all;
      for (const std::string& item : v) all += (all.empty() ? "" : ", ") + quoted(item);
      return "[" + all + "]";
    }
  };
  return std::visit(Writer{}, value);
}

std::string to_display(const std::vector<Literal>& literals) {
  std::string all;
  for (const Literal& literal : literals) {
    const bool bare = literal.kind == Literal::kText ? to_number(literal.text).has_value() : literal.kind != Literal::kString;
    all += (all.empty() ? "" : ", ") + (bare ? literal.text : quoted(literal.text));
  }
  return all;
}

}  // namespace corral::config
