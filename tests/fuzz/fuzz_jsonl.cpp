// JSONL rows: whatever the bytes, a row is refused with a sentence or its text is UTF-8, its ids fit, and the reader of files agrees.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "corral/error.h"
#include "corral/utf8.h"
#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/json_row.h"
#include "tests/fuzz/claims.h"

namespace {
using namespace corral::data;
constexpr size_t kLongest = 16;
constexpr uint32_t kNumIds = 300;

// The rows of `bytes` up to the first bad one; false where there is one.
bool rows_are_good(std::string_view bytes, size_t& rows) {
  JsonRow row;
  while (!bytes.empty()) {
    const size_t end = std::min(bytes.find('\n'), bytes.size());
    const std::string_view line = bytes.substr(0, end);
    bytes.remove_prefix(std::min(end + 1, bytes.size()));
    if (line.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    try {
      parse_json_row(line, kLongest, row);
    } catch (const JsonError& error) {
      require(error.column >= 1 && error.column <= line.size() + 1 && error.what()[0] != '\0');
      return false;
    }
    if (!row.is_ids) require(corral::first_invalid_utf8(row.text) == corral::kAllValid);
    require(row.ids.size() <= kLongest && (!row.has_labels || row.labels.size() == row.ids.size()));
    ++rows;
  }
  return true;
}

const std::string& scratch_file() {
  static const std::string name = "/tmp/corral-fuzz-" + std::to_string(::getpid()) + ".jsonl";
  static const bool removed_at_exit = std::atexit([] { std::remove(scratch_file().c_str()); }) == 0;
  require(removed_at_exit);
  return name;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  std::ofstream(scratch_file(), std::ios::binary | std::ios::trunc) << bytes;
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  size_t rows = 0, documents = 0;
  const bool good = rows_are_good(bytes, rows);
  Encoder encoder{.encode = [](std::string_view text, std::vector<int32_t>& ids) { ids.assign(text.size() % 7, 65); },
                  .end_of_text = 299,
                  .num_ids = kNumIds};
  try {
    const Corpus corpus = Corpus::read({scratch_file()}, {.seq_length = kLongest, .block_bytes = 1 + size % 50}, encoder);
    for (const Block& block : corpus.blocks) {
      documents += block.documents.size();
      for (size_t i = 0; i < block.tokens.size(); ++i) require(block.tokens[i] >= 0 && block.tokens[i] < static_cast<int32_t>(kNumIds));
    }
    require(good && documents == rows);
  } catch (const corral::Error& error) {
    require(error.what()[0] != '\0');
  }
  return 0;
}
