// Reads documents of text that are named on the command line: a document per row of a JSONL file, else one per file.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace corral::job {

// Expands the words of --data, sorted. A folder gives its .jsonl, .ndjson, .json, .txt and .md files; - is standard input as plain text.
// Throws Error (2).
std::vector<std::string> text_files(const std::vector<std::string>& words);

bool is_jsonl(const std::string& file);

// Iterates over the rows of JSONL files; any other file is one row.
class Documents {
 public:
  // `field`: key of the content in a JSONL row. The text of any other file counts as that field.
  Documents(std::vector<std::string> files, std::string field) : files_(std::move(files)), field_(std::move(field)) {}

  // Reads the next text as valid UTF-8; it is valid until the next call. Throws Error (2) naming file and line.
  bool next(std::string_view& text);
  // Reads the ids of the next row, which is an array or has one in `field`. JSONL files only.
  bool next(std::vector<int32_t>& ids);
  const std::string& place() const { return place_; }  // file and line of the last row

 private:
  bool next_line();
  bool open_next();

  std::vector<std::string> files_;
  std::string field_, place_, line_, text_;
  std::ifstream file_;
  size_t number_ = 0, opened_ = 0;
};

}  // namespace corral::job
