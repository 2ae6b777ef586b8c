// Files in protobuf's text format, read without a schema: recipes, presets, resolved configurations.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace corral::config {

// A value as it is written. The kind text is a command line's, where the type is unknown.
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

// Parses a text. `file` is for messages. Throws corral::Error (2) naming file, line and the expected token.
std::vector<Node> parse_textproto(std::string_view text, const std::string& file);

// Reads a file. Throws corral::Error (2) if it cannot be read or is larger than a configuration can be.
std::string read_text_file(const std::string& path);

// Quotes a string for the text format.
std::string quoted(std::string_view text);

}  // namespace corral::config
