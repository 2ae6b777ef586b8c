// For tests: builds pairs.
#pragma once
#include <string>
#include <vector>

#include "plugins/dataset/common/test_files.h"
#include "plugins/dataset/indexed/index.h"

namespace corral::indexed {

using TestDocument = std::vector<std::vector<int32_t>>;  // its sequences

inline const TokenType& type_named(const std::string& name) {
  for (uint8_t code = 1; find_token_type(code); ++code)
    if (find_token_type(code)->name == name) return *find_token_type(code);
  throw std::runtime_error("no type " + name);
}

struct TestPair {
  std::string index, tokens;
};

inline TestPair test_pair(const std::vector<TestDocument>& documents, const std::string& type_name = "uint16") {
  const TokenType& type = type_named(type_name);
  TestPair pair;
  std::vector<int32_t> lengths;
  std::vector<uint64_t> ends;
  for (const TestDocument& document : documents) {
    for (const std::vector<int32_t>& sequence : document) {
      const size_t at = pair.tokens.size();
      pair.tokens.resize(at + sequence.size() * type.bytes);
      type.write(sequence.data(), sequence.size(), pair.tokens.data() + at);
      lengths.push_back(static_cast<int32_t>(sequence.size()));
    }
    ends.push_back(lengths.size());
  }
  pair.index = make_index(type, lengths, ends);
  return pair;
}

// Returns the prefix.
inline std::string write_pair(const data::TestFiles& files, const std::string& name, const TestPair& pair) {
  files.write(name + ".bin", pair.tokens);
  const std::string index = files.write(name + ".idx", pair.index);
  return index.substr(0, index.size() - 4);
}

}  // namespace corral::indexed
