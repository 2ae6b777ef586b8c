#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corral::data {

// One line of a JSONL file: text, or token ids that need no tokenizer.
struct JsonRow {
  bool is_ids = false;       // has "input_ids"; "text" is then ignored
  std::string_view text;     // valid UTF-8; a view of the line or of `unescaped`
  std::vector<int32_t> ids;  // as written, >= 0
  bool has_labels = false;
  std::vector<int32_t> labels;  // labels[i] belongs to ids[i]; -100: no target
  std::string unescaped;
};

struct JsonError : std::runtime_error {
  JsonError(size_t column, const std::string& what) : std::runtime_error(what), column(column) {}
  size_t column;  // byte within the line, from 1
};

// Reads one line without its newline into `row`, reusing its storage. Throws JsonError at bad JSON, invalid UTF-8, a field of the wrong
// type, more than `longest` ids, or if both "text" and "input_ids" are missing.
void parse_json_row(std::string_view line, size_t longest, JsonRow& row);

}  // namespace corral::data
