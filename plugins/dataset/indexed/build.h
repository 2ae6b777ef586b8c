// `corral data build`: makes a pair of text files.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "plugins/dataset/common/corpus.h"

namespace corral::indexed {

struct BuildOptions {
  std::vector<std::string> paths;  // as in data.paths, without weights
  std::string prefix;
  unsigned threads = 0;  // 0: all cores
  size_t block_bytes = size_t{1} << 20;
};

struct Built {
  uint64_t documents = 0, tokens = 0, bytes = 0;  // `bytes`: of the text
  std::string type;
};

// Each document becomes one sequence: its ids and the end of text, or given ids unchanged. The files do not depend on the number of
// threads; one block per thread is in memory. Throws Error naming file and line of the first bad document, after removing the files.
Built build_pair(const BuildOptions& options, const data::Encoder& encoder);

}  // namespace corral::indexed
