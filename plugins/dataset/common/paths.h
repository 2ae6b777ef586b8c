#pragma once
#include <string>
#include <vector>

namespace corral::data {

// Files that form one stream, in order.
struct Source {
  double weight = 1;  // of the weights given; 1 where none are
  std::vector<std::string> files;
};

// data.paths: files, folders (their .jsonl, .ndjson, .json, .txt and .md files, sorted) and globs, all one source; or each preceded by a
// weight, `0.3 a.jsonl 0.7 b.jsonl`, each then a source of its own. A single word with spaces is taken apart unless it is a file's name.
std::vector<Source> parse_paths(const std::vector<std::string>& words);

// By the name: one JSON object a line. Any other file is one plain document.
bool is_jsonl(const std::string& file);

}  // namespace corral::data
