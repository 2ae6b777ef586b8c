#include "kernel/config/textproto.h"

#include <google/protobuf/io/tokenizer.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "corral/error.h"

namespace corral::config {
namespace {

using Token = google::protobuf::io::Tokenizer;

constexpr int kMaxDepth = 32;
constexpr std::streamsize kMaxBytes = 16 << 20;

struct FirstError final : google::protobuf::io::ErrorCollector {
  void AddError(int line, int, const std::string& message) override {
    if (text.empty()) text = message, at = line;
  }
  std::string text;
  int at = 0;
};

class Parser {
 public:
  Parser(std::string_view text, const std::string& file)
      : file_(file), stream_(text.data(), static_cast<int>(text.size())), tokens_(&stream_, &errors_) {
    tokens_.set_comment_style(Token::SH_COMMENT_STYLE);
    tokens_.set_require_space_after_number(false);
    tokens_.set_allow_multiline_strings(true);
    next();
  }

  std::vector<Node> message(int depth) {
    if (depth > kMaxDepth) error("messages nest deeper than " + std::to_string(kMaxDepth));
    std::vector<Node> nodes;
    while (!at("}") && !end()) {
      nodes.push_back(field(depth));
      while (at(";") || at(",")) next();
    }
    return nodes;
  }

  bool end() { return tokens_.current().type == Token::TYPE_END; }

  [[noreturn]] void error(const std::string& what) {
    fail("{}:{}: {}{}", file_, tokens_.current().line + 1, what,
         end() ? std::string(", but the file ends here") : ", but here is \"" + tokens_.current().text + "\"");
  }

 private:
  Node field(int depth) {
    Node node;
    node.line = tokens_.current().line + 1;
    if (tokens_.current().type != Token::TYPE_IDENTIFIER) error("expected the name of a key");
    node.name = tokens_.current().text;
    next();
    const bool colon = at(":");
    if (colon) next();
    if (at("{")) {
      next();
      node.is_message = true;
      node.children = message(depth + 1);
      if (!at("}")) error("expected }");
      next();
      return node;
    }
    if (!colon) error("expected : or { after \"" + node.name + "\"");
    if (!at("[")) {
      node.values.push_back(literal());
    } else {
      node.is_list = true;
      next();
      while (!at("]")) {
        node.values.push_back(literal());
        if (at(",")) {
          next();
          if (at("]")) error("expected a value after ,");
        } else if (!at("]")) {
          error("expected , or ]");
        }
      }
      next();
    }
    node.comment = comment_;
    return node;
  }

  Literal literal() {
    Literal value;
    if (at("-")) {
      value.text = "-";
      next();
    }
    const Token::Token& token = tokens_.current();
    switch (token.type) {
      case Token::TYPE_STRING:
        if (!value.text.empty()) error("expected a number after -");
        value.kind = Literal::kString;
        // Adjacent strings are joined.
        while (tokens_.current().type == Token::TYPE_STRING) {
          Token::ParseStringAppend(tokens_.current().text, &value.text);
          next();
        }
        return value;
      case Token::TYPE_INTEGER:
        value.kind = Literal::kInteger;
        break;
      case Token::TYPE_FLOAT:
        value.kind = Literal::kFloat;
        break;
      case Token::TYPE_IDENTIFIER:
        value.kind = Literal::kIdentifier;
        break;
      default:
        error("expected a value");
    }
    value.text += token.text;
    next();
    return value;
  }

  bool at(const char* symbol) { return tokens_.current().type == Token::TYPE_SYMBOL && tokens_.current().text == symbol; }

  void next() {
    tokens_.NextWithComments(&comment_, nullptr, nullptr);
    if (!errors_.text.empty()) fail("{}:{}: {}", file_, errors_.at + 1, errors_.text);
    while (!comment_.empty() && (comment_.back() == '\n' || comment_.back() == ' ')) comment_.pop_back();
    comment_.erase(0, comment_.find_first_not_of(' '));
  }

  const std::string& file_;
  FirstError errors_;
  google::protobuf::io::ArrayInputStream stream_;
  Token tokens_;
  std::string comment_;
};

}  // namespace

std::vector<Node> parse_textproto(std::string_view text, const std::string& file) {
  if (text.size() > static_cast<size_t>(kMaxBytes)) fail("{}: larger than {} bytes", file, kMaxBytes);
  Parser parser(text, file);
  std::vector<Node> nodes = parser.message(0);
  if (!parser.end()) parser.error("expected the name of a key");
  return nodes;
}

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text;
  char block[16384];
  while (file && static_cast<std::streamsize>(text.size()) <= kMaxBytes) {
    file.read(block, sizeof block);
    text.append(block, static_cast<size_t>(file.gcount()));
  }
  if (!file.eof()) fail("{}: {}", path, errno ? std::strerror(errno) : "cannot be read");
  return text;
}

std::string quoted(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20 || byte == 0x7f) {
      for (const int shift : {6, 3, 0}) {
        if (shift == 6) out += '\\';
        out += static_cast<char>('0' + ((byte >> shift) & 7));
      }
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace corral::config
