// Documents of text on the command line: rows of JSONL files, whole files of any other kind.
#pragma once

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace corral::job {

// --data words: files, and folders for their .jsonl, .ndjson, .json, .txt and .md files, sorted; - is standard input, plain. Throws Error
// (2).
std::vector<std::string> text_files(const std::vector<std::string>& words);

bool is_jsonl(const std::string& file);

// Goes through the rows of JSONL files and the others as one row each.
class Documents {
 public:
  // `field`: the key of a row's content; any other file is a row of that field.
  Documents(std::vector<std::string> files, std::string field) : files_(std::move(files)), field_(std::move(field)) {}

  // The next text, valid UTF-8 until the next call. Throws Error (2) naming file and line.
  bool next(std::string_view& text);
  // The next row's array of ids in `field`; only of JSONL files. Rows may also be the array itself.
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
