#include "plugins/dataset/common/corpus.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

#include <algorithm>
#include <cstring>
#include <limits>

#include "corral/error.h"
#include "corral/utf8.h"
#include "plugins/dataset/common/json_row.h"
#include "plugins/dataset/common/lines.h"
#include "plugins/dataset/common/mapped_file.h"
#include "plugins/dataset/common/parallel.h"
#include "plugins/dataset/common/paths.h"

namespace corral::data {
namespace {
class BlockReader {
 public:
  BlockReader(const std::string& file, std::string_view bytes, const ReadSettings& settings, const Encoder& encoder, Block& block)
      : file_(file), bytes_(bytes), settings_(settings), encoder_(encoder), block_(block) {}

  void read() {
    block_.tokens = TokenStore(encoder_.num_ids > 0 && encoder_.num_ids <= 65536);
    is_jsonl(file_) ? read_lines() : read_plain();
  }

 private:
  void read_plain() {
    std::string_view text = bytes_;
    if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
    const size_t invalid = first_invalid_utf8(text);
    if (invalid != kAllValid)
      fail(line_place(file_, text, invalid) + ": invalid UTF-8 at byte " + std::to_string(text.data() + invalid - bytes_.data()));
    if (!text.empty()) add_text(text, 0);
  }

  void read_lines() {
    for_each_line(bytes_, block_.number, settings_.block_bytes, [&](std::string_view line, size_t at) { add_line(line, at); });
  }

  void add_line(std::string_view line, size_t at) {
    try {
      parse_json_row(line, settings_.seq_length, row_);
    } catch (const JsonError& error) {
      fail(line_place(file_, bytes_, at) + ": column " + std::to_string(error.column) + ": " + error.what());
    }
    if (!block_.documents.empty() && row_.is_ids != block_.ids)
      fail(line_place(file_, bytes_, at) + ": a row of " + (row_.is_ids ? "input_ids after rows of text" : "text after rows of input_ids") +
           ": keep the two in separate runs");
    row_.is_ids ? add_ids(at) : add_text(row_.text, at);
  }

  void add_text(std::string_view text, size_t at) {
    if (!encoder_.encode)
      fail(line_place(file_, bytes_, at) + ": text needs a tokenizer: name one with --tokenizer DIR (rows of input_ids do not)");
    encoder_.encode(text, ids_);
    if (encoder_.end_of_text >= 0) ids_.push_back(encoder_.end_of_text);
    if (ids_.size() > std::numeric_limits<uint32_t>::max()) fail(line_place(file_, bytes_, at) + ": a document of more than 2^32 tokens");
    block_.tokens.append(ids_);
    block_.documents.push_back({.hash = XXH3_64bits_withSeed(text.data(), text.size(), settings_.seed),
                                .at = at,
                                .bytes = text.size(),
                                .tokens = static_cast<uint32_t>(ids_.size()),
                                .has_labels = false});
  }

  void add_ids(size_t at) {
    check_range("input_ids", row_.ids, at);
    check_range("labels", row_.labels, at);
    block_.ids = true;
    block_.tokens.append(row_.ids);
    block_.labels.insert(block_.labels.end(), row_.labels.begin(), row_.labels.end());
    block_.documents.push_back({.hash = XXH3_64bits_withSeed(row_.ids.data(), row_.ids.size() * sizeof(int32_t), settings_.seed),
                                .at = at,
                                .bytes = 0,
                                .tokens = static_cast<uint32_t>(row_.ids.size()),
                                .has_labels = row_.has_labels});
  }

  void check_range(const char* field, const std::vector<int32_t>& values, size_t at) const {
    if (encoder_.num_ids == 0) return;
    for (size_t i = 0; i < values.size(); ++i)
      if (values[i] >= 0 && static_cast<uint32_t>(values[i]) >= encoder_.num_ids)
        fail(line_place(file_, bytes_, at) + ": " + field + "[" + std::to_string(i) + "] = " + std::to_string(values[i]) +
             ", but the vocabulary has " + std::to_string(encoder_.num_ids) + " ids");
  }

  const std::string& file_;
  const std::string_view bytes_;
  const ReadSettings& settings_;
  const Encoder& encoder_;
  Block& block_;
  JsonRow row_;
  std::vector<int32_t> ids_;
};

void plan_file(size_t file, size_t count, std::vector<Block>& blocks) {
  for (size_t number = 0; number < count; ++number) {
    Block& block = blocks.emplace_back();
    block.file = file;
    block.number = number;
  }
}

// Checks that all files have text, or all ids.
void check_kinds(Corpus& corpus) {
  const Block* first = nullptr;
  for (const Block& block : corpus.blocks) {
    if (block.documents.empty()) continue;
    if (!first) first = &block;
    require_same_rows(corpus.files[block.file], block, corpus.files[first->file], *first);
  }
  if (!first)
    fail("data.paths: no document in " + corpus.files.front() +
         (corpus.files.size() > 1 ? " and " + std::to_string(corpus.files.size() - 1) + " other files" : ""));
  corpus.ids = first->ids;
}
}  // namespace

std::vector<Block> plan_blocks(const std::vector<std::string>& files, size_t block_bytes) {
  std::vector<Block> blocks;
  for (size_t file = 0; file < files.size(); ++file)
    plan_file(file, is_jsonl(files[file]) ? blocks_of(MappedFile(files[file]).bytes(), block_bytes) : 1, blocks);
  return blocks;
}

void read_block(const std::string& file, const ReadSettings& settings, const Encoder& encoder, Block& block) {
  const MappedFile map(file);
  BlockReader(file, map.bytes(), settings, encoder, block).read();
}

void require_same_rows(const std::string& file, const Block& block, const std::string& first_file, const Block& first) {
  if (block.ids != first.ids)
    fail("{} has rows of {} and {} rows of {}: keep the two in separate runs", file, block.ids ? "input_ids" : "text", first_file,
         first.ids ? "input_ids" : "text");
}

Corpus Corpus::read(const std::vector<std::string>& files, const Settings& settings, const Encoder& encoder) {
  Corpus corpus;
  corpus.files = files;
  corpus.blocks = plan_blocks(files, settings.block_bytes);
  in_parallel(corpus.blocks.size(), settings.threads,
              [&](size_t i) { read_block(corpus.files[corpus.blocks[i].file], settings, encoder, corpus.blocks[i]); });
  check_kinds(corpus);
  return corpus;
}

Corpus Corpus::read_jsonl(const std::string& name, std::string_view bytes, const Settings& settings, const Encoder& encoder) {
  Corpus corpus;
  corpus.files = {name};
  plan_file(0, blocks_of(bytes, settings.block_bytes), corpus.blocks);
  for (Block& block : corpus.blocks) BlockReader(name, bytes, settings, encoder, block).read();
  check_kinds(corpus);
  return corpus;
}

std::string Corpus::text(const Block& block, const Document& document) const {
  const MappedFile map(files[block.file]);
  std::string_view bytes = map.bytes();
  if (!is_jsonl(files[block.file])) return std::string(bytes.substr(bytes.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0));
  bytes.remove_prefix(std::min<size_t>(document.at, bytes.size()));
  JsonRow row;
  parse_json_row(bytes.substr(0, bytes.find('\n')), 0, row);
  return std::string(row.text);
}

}  // namespace corral::data
