// corral/abi.h read as text: its structs, their members with their comments, its ids.
#pragma once

#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <utility>
#include <vector>

namespace corral {

struct AbiMember {
  std::string name, declaration, comment;
  bool is_function() const { return declaration.find("(*") != std::string::npos || declaration.starts_with("corral_call "); }
};
struct AbiStruct {
  std::string name;
  std::vector<AbiMember> members;
};

inline std::string abi_text() {
  std::ifstream file(CORRAL_SOURCE_DIR "/sdk/include/corral/abi.h");
  return {std::istreambuf_iterator<char>(file), {}};
}

namespace detail {
inline std::string one_line(const std::string& text) {
  std::string line = std::regex_replace(text, std::regex("\\s+"), " ");
  line.erase(0, line.find_first_not_of(' '));
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

inline std::string member_name(const std::string& declaration) {
  std::smatch match;
  if (std::regex_search(declaration, match, std::regex("\\(\\*(\\w+)\\)"))) return match[1];
  std::regex_search(declaration, match, std::regex("(\\w+)$"));
  return match[1];
}

// The members of a struct. The text up to a semicolon is a declaration, and the comments before it belong to it.
inline std::vector<AbiMember> members_of(const std::string& body) {
  std::vector<AbiMember> members;
  std::string declaration, comment;
  for (size_t at = 0; at < body.size();) {
    if (body.compare(at, 2, "/*") == 0) {
      const size_t end = body.find("*/", at);
      comment += body.substr(at + 2, end - at - 2);
      at = end + 2;
    } else if (body[at] == ';') {
      declaration = one_line(declaration);
      members.push_back({member_name(declaration), declaration, one_line(comment)});
      declaration.clear();
      // A comment after a declaration on the same line belongs to that declaration.
      const size_t line_end = body.find('\n', at), behind = body.find("/*", at);
      if (behind < line_end) at = body.find("*/", behind) + 1;
      comment.clear();
      ++at;
    } else {
      declaration += body[at++];
    }
  }
  return members;
}
}  // namespace detail

inline std::vector<AbiStruct> structs_of(const std::string& header) {
  std::vector<AbiStruct> structs;
  const std::regex begin("typedef struct (\\w+) \\{");
  for (std::sregex_iterator it(header.begin(), header.end(), begin), none; it != none; ++it) {
    const std::string name = (*it)[1];
    const size_t from = static_cast<size_t>(it->position() + it->length()), to = header.find("\n} " + name + ";", from);
    structs.push_back({name, detail::members_of(header.substr(from, to - from))});
  }
  return structs;
}

// Names and ids of all lines such as #define CORRAL_MODEL_ID "corral.model/1".
inline std::vector<std::pair<std::string, std::string>> ids_of(const std::string& header) {
  std::vector<std::pair<std::string, std::string>> ids;
  const std::regex define("#define (CORRAL_\\w+_ID) \"([^\"]+)\"");
  for (std::sregex_iterator it(header.begin(), header.end(), define), none; it != none; ++it) ids.emplace_back((*it)[1], (*it)[2]);
  return ids;
}

}  // namespace corral
