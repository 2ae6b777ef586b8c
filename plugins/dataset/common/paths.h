#pragma once
#include <string>
#include <vector>

namespace corral::data {

// Files that form one stream, in order.
struct Source {
  double weight = 1;  // of the weights given; 1 where none are
  std::vector<std::string> files;
};

// What the words of data.paths name: text files unless a reader says otherwise.
struct PathWords {
  const char* key = "data.paths";                                               // in errors
  const char* example = "a file with --data FILE.jsonl";                        // in errors
  bool (*is_there)(const std::string& word);                                    // a name, not a weight
  std::vector<std::string> (*names)(const std::string& word, const char* key);  // all that the word stands for; throws where there is none
};
PathWords text_files();

// Words that are all one source; or each preceded by a weight, `0.3 a.jsonl 0.7 b.jsonl`, each then a source of its own. A single word with
// spaces is taken apart unless it is a name. Text files: files, folders (their .jsonl, .ndjson, .json, .txt and .md files, sorted), globs.
std::vector<Source> parse_paths(const std::vector<std::string>& words, const PathWords& kind = text_files());

// What matches a shell pattern, sorted.
std::vector<std::string> glob_names(const std::string& pattern);
// The entry of the word's folder that is most like it, as "\n       did you mean ...?", or "". `ending`: only entries that have it, named
// without.
std::string nearest_name(const std::string& word, const std::string& ending = "");

// By the name: one JSON object a line. Any other file is one plain document.
bool is_jsonl(const std::string& file);

}  // namespace corral::data
