// Files in protobuf's text format, read without a schema: recipes, presets, resolved configurations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace corral::config {

// A value as it is written. Text comes from a command line and may be any type.
struct Literal {
  enum Kind { kText, kString, kInteger, kFloat, kIdentifier };
  Kind kind = kText;
  std::string text;  // a string without its quotes
};

// `name: value`, `name: [values]` or `name { children }`.
struct Node {
  std::string name;
  bool is_message = false;
  bool is_list = false;  // written in brackets
  std::vector<Literal> values;
  std::vector<Node> children;
  int line = 0;
  std::string comment;  // the text behind the value on its line
};

// `file` is for messages. Throws corral::Error (2) naming file, line and what was expected.
std::vector<Node> parse_textproto(std::string_view text, const std::string& file);

// The file's content; throws corral::Error (2) where it cannot be read or is larger than a configuration can be.
std::string read_text_file(const std::string& path);

// A string in quotes, as the text format wants it.
std::string quoted(std::string_view text);

}  // namespace corral::config
