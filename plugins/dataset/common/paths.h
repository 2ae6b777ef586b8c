#pragma once
#include <string>
#include <vector>

namespace corral::data {

// Files that form one stream of documents, in order.
struct Source {
  double weight = 1;  // as given, or 1
  std::vector<std::string> files;
};

// How the words of data.paths name a dataset's files. The defaults of text_files() are for readers of text.
struct PathWords {
  const char* key = "data.paths";                                               // in errors
  const char* example = "a file with --data FILE.jsonl";                        // in errors
  bool (*is_there)(const std::string& word);                                    // true for a name, false for a weight
  std::vector<std::string> (*names)(const std::string& word, const char* key);  // all that a word names; throws Error if nothing matches
};
PathWords text_files();

// The sources that the words name: one source of all words, or one per word if a weight precedes each, `0.3 a.jsonl 0.7 b.jsonl`. A word
// with spaces that is not a name is split. A text source is a file, a folder (its .jsonl, .ndjson, .json, .txt and .md files, sorted) or a
// glob.
std::vector<Source> parse_paths(const std::vector<std::string>& words, const PathWords& kind = text_files());

// The names that match a shell pattern, sorted.
std::vector<std::string> glob_names(const std::string& pattern);
// "\n       did you mean ...?" with the most similar name in the word's folder, or "". With `ending`, only names that have it, without it.
std::string nearest_name(const std::string& word, const std::string& ending = "");

// True by the extension of a file with one JSON object per line. Any other file is one plain document.
bool is_jsonl(const std::string& file);

}  // namespace corral::data
