// An index and its tokens: PREFIX.idx and PREFIX.bin.
#pragma once
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/common/paths.h"
#include "plugins/dataset/indexed/index.h"

namespace corral::indexed {

struct Pair {
  std::string prefix;
  std::string_view tokens;  // the bytes of PREFIX.bin
  Index index;
};

// False also if the path cannot be read.
bool exists(const std::string& path);

// Maps both files. Throws Error (2) naming the file and what is wrong.
std::shared_ptr<const Pair> open_pair(const std::string& prefix);

// The words of data.paths for this dataset: prefixes of pairs, either file of a pair, folders and globs.
data::PathWords pair_words(const char* key);

}  // namespace corral::indexed
