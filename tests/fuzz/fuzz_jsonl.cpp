// JSONL rows: any row is refused with a message, or its text is UTF-8 and its ids fit; the reader of whole files agrees.
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

// Counts the rows of `bytes`; returns false at the first bad one.
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

// The message if `read` refuses, else a digest of its tokens. `read` may succeed only on good rows, and must find `rows` of them.
template <class Read>
std::string outcome(bool good, size_t rows, Read read) {
  size_t documents = 0;
  std::string tokens;
  try {
    const Corpus corpus = read();
    for (const Block& block : corpus.blocks) {
      documents += block.documents.size();
      for (size_t i = 0; i < block.tokens.size(); ++i) {
        require(block.tokens[i] >= 0 && block.tokens[i] < static_cast<int32_t>(kNumIds));
        tokens += static_cast<char>(block.tokens[i] % 251);
      }
    }
  } catch (const corral::Error& error) {
    require(error.what()[0] != '\0');
    return error.what();
  }
  require(good && documents == rows);
  return tokens;
}
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view whole(reinterpret_cast<const char*>(data), size),
      bytes = whole.starts_with("\xEF\xBB\xBF") ? whole.substr(3) : whole;
  size_t rows = 0;
  const bool good = rows_are_good(bytes, rows);
  const Encoder encoder{.encode = [](std::string_view text, std::vector<int32_t>& ids) { ids.assign(text.size() % 7, 65); },
                        .end_of_text = 299,
                        .num_ids = kNumIds};
  const Corpus::Settings settings{.seq_length = kLongest, .block_bytes = 1 + size / (1 + size % 9)};
  const std::string read = outcome(good, rows, [&] { return Corpus::read_jsonl(scratch_file(), whole, settings, encoder); });
  if (size % 64 != 0) return 0;
  // A file gives the same outcome as its bytes. Tried for one input in 64, as it is slow.
  std::ofstream(scratch_file(), std::ios::binary | std::ios::trunc) << whole;
  require(outcome(good, rows, [&] { return Corpus::read({scratch_file()}, settings, encoder); }) == read);
  return 0;
}
