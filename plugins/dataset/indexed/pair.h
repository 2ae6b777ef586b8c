// PREFIX.idx and PREFIX.bin together.
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

// False also where it cannot be told.
bool exists(const std::string& path);

// Maps both files. Throws Error (2) naming the file and what is wrong.
std::shared_ptr<const Pair> open_pair(const std::string& prefix);

// What data.paths names here: prefixes of pairs, either file of one, folders and globs.
data::PathWords pair_words(const char* key);

}  // namespace corral::indexed
