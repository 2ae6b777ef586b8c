#pragma once
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace corral::data {

// One line of a JSONL file: a document, or token ids that are taken as they are.
struct JsonRow {
  bool is_ids = false;       // has "input_ids"; "text" is then ignored
  std::string_view text;     // valid UTF-8; in the line, or in `unescaped`
  std::vector<int32_t> ids;  // as written, >= 0
  bool has_labels = false;
  std::vector<int32_t> labels;  // labels[i] belongs to ids[i]; -100 = no target
  std::string unescaped;
};

struct JsonError : std::runtime_error {
  JsonError(size_t column, const std::string& what) : std::runtime_error(what), column(column) {}
  size_t column;  // byte of the line, from 1
};

// Reads one line without its newline into `row`, whose storage is used again. Throws JsonError: bad JSON, invalid UTF-8, no "text" or
// "input_ids", a field of a wrong type, more than `longest` ids.
void parse_json_row(std::string_view line, size_t longest, JsonRow& row);

}  // namespace corral::data
