#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/common/token_store.h"

namespace corral::data {

// The tokenizer as the data sees it; `encode` replaces `ids` by the text's ids without a begin token, from any thread.
struct Encoder {
  std::function<void(std::string_view text, std::vector<int32_t>& ids)> encode;  // empty: no tokenizer is given
  int32_t end_of_text = -1;                                                      // closes each document; -1: none
  uint32_t num_ids = 0;                                                          // ids are below; 0: unknown
};

struct Document {
  uint64_t hash;    // of content and seed
  uint64_t at;      // byte of the file where its line starts
  uint64_t bytes;   // of its text; 0 for rows of ids
  uint32_t tokens;  // with the end of text
  bool has_labels;
};

// About a mebibyte of a file, or a plain file whole: what one thread reads at a time.
struct Block {
  size_t file = 0;
  size_t number = 0;  // within the file
  bool ids = false;   // rows of ids, not text
  TokenStore tokens;
  std::vector<Document> documents;
  std::vector<int32_t> labels;  // of the documents that have them
};

struct ReadSettings {
  uint64_t seq_length = 0;  // rows of ids may not be longer
  uint64_t seed = 0;
  unsigned threads = 1;
  size_t block_bytes = size_t{1} << 20;
};

// The blocks of the files, in order, still without documents.
std::vector<Block> plan_blocks(const std::vector<std::string>& files, size_t block_bytes);
// Fills one; throws Error naming file and line of its first bad row.
void read_block(const std::string& file, const ReadSettings& settings, const Encoder& encoder, Block& block);
// Refuses `block` of `file` where one is of ids and the other of text; `first` is the first block that has documents.
void require_same_rows(const std::string& file, const Block& block, const std::string& first_file, const Block& first);

// All documents of the files, in order, tokenized on `threads` threads; the result does not depend on their number.
// Throws Error naming file and line of the first bad row.
struct Corpus {
  std::vector<std::string> files;
  std::vector<Block> blocks;
  bool ids = false;

  using Settings = ReadSettings;
  static Corpus read(const std::vector<std::string>& files, const Settings& settings, const Encoder& encoder);
  // The same of the bytes of one file; `name`, which ends in .jsonl, is for messages.
  static Corpus read_jsonl(const std::string& name, std::string_view bytes, const Settings& settings, const Encoder& encoder);

  std::string text(const Block& block, const Document& document) const;  // read again from the file
};

}  // namespace corral::data
