// `corral data build`: text made into a pair.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/dataset/common/corpus.h"

namespace corral::indexed {

struct BuildOptions {
  std::vector<std::string> paths;  // as data.paths, without weights
  std::string prefix;
  unsigned threads = 0;  // 0: all cores
  size_t block_bytes = size_t{1} << 20;
};

struct Built {
  uint64_t documents = 0, tokens = 0, bytes = 0;  // bytes of text
  std::string type;
};

// Every document is one sequence: its ids and the end of text; rows of ids go in as they are. The files do not depend on the number of
// threads, and no more than a block for each is in memory. Throws Error naming file and line of the first bad row; nothing is left then.
Built build_pair(const BuildOptions& options, const data::Encoder& encoder);

}  // namespace corral::indexed
