#include "plugins/dataset/sft/python_text.h"

#include <charconv>
#include <cmath>
#include <cstdio>

namespace corral::sft {
namespace {

bool is_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0d) || (c >= 0x1c && c <= 0x20) || c == 0x85 || c == 0xa0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200a) ||
         c == 0x2028 || c == 0x2029 || c == 0x202f || c == 0x205f || c == 0x3000;
}

// Decodes the character at `at`. White space has at most three bytes, so any longer character is returned as 0x10000.
char32_t character(std::string_view text, size_t at, size_t& length) {
  const auto byte = [&](size_t i) { return static_cast<char32_t>(static_cast<unsigned char>(text[at + i])); };
  const char32_t first = byte(0);
  length = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
  if (length == 1) return first;
  if (length == 2) return (first & 0x1f) << 6 | (byte(1) & 0x3f);
  if (length == 3) return (first & 0x0f) << 12 | (byte(1) & 0x3f) << 6 | (byte(2) & 0x3f);
  return 0x10000;
}

void write_string(const std::string& text, std::string& out) {
  out += '"';
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) >= 0x20) {
          out += c;
        } else {
          char escape[8];
          std::snprintf(escape, sizeof escape, "\\u%04x", static_cast<unsigned char>(c));
          out += escape;
        }
    }
  }
  out += '"';
}

// As Python's repr: the shortest digits that read back as the same number; with an exponent below 1e-4 and from 1e16.
std::string number_text(double value) {
  if (std::isnan(value)) return "NaN";
  if (std::isinf(value)) return value < 0 ? "-Infinity" : "Infinity";
  const double size = std::abs(value);
  const bool exponent = size != 0 && (size < 1e-4 || size >= 1e16);
  char text[40];
  const auto [end, error] =
      std::to_chars(text, text + sizeof text, value, exponent ? std::chars_format::scientific : std::chars_format::fixed);
  std::string result(text, end);
  return exponent || result.find('.') != std::string::npos ? result : result + ".0";
}

void write(const Json& value, int indent, int depth, std::string& out) {
  const bool lines = indent >= 0;
  const auto separate = [&](bool first, int to) {
    if (!first) out += lines ? "," : ", ";
    if (lines) out.append("\n").append(static_cast<size_t>(indent * to), ' ');
  };
  switch (value.type()) {
    case Json::value_t::object: {
      out += '{';
      bool first = true;
      for (const auto& [key, member] : value.items()) {
        separate(first, depth + 1);
        first = false;
        write_string(key, out);
        out += ": ";
        write(member, indent, depth + 1, out);
      }
      if (lines && !first) separate(true, depth);
      out += '}';
      break;
    }
    case Json::value_t::array: {
      out += '[';
      bool first = true;
      for (const Json& member : value) {
        separate(first, depth + 1);
        first = false;
        write(member, indent, depth + 1, out);
      }
      if (lines && !first) separate(true, depth);
      out += ']';
      break;
    }
    case Json::value_t::string:
      write_string(value.get_ref<const std::string&>(), out);
      break;
    case Json::value_t::number_float:
      out += number_text(value.get<double>());
      break;
    default:
      out += value.dump();
  }
}

}  // namespace

std::string_view trim(std::string_view text) {
  size_t length = 0;
  while (!text.empty() && is_space(character(text, 0, length))) text.remove_prefix(length);
  while (!text.empty()) {
    size_t at = text.size() - 1;
    while (at > 0 && (static_cast<unsigned char>(text[at]) & 0xc0) == 0x80) --at;
    if (!is_space(character(text, at, length))) break;
    text.remove_suffix(text.size() - at);
  }
  return text;
}

std::string to_json(const Json& value, int indent) {
  std::string out;
  write(value, indent, 0, out);
  return out;
}

}  // namespace corral::sft
