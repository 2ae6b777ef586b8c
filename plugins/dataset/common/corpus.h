#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "plugins/dataset/common/token_store.h"

namespace corral::data {

// The host's tokenizer. `encode` replaces `ids` by the ids of the text without a begin token; any thread may call it.
struct Encoder {
  std::function<void(std::string_view text, std::vector<int32_t>& ids)> encode;  // empty if there is no tokenizer
  int32_t end_of_text = -1;                                                      // appended to each document; -1: none
  uint32_t num_ids = 0;                                                          // every id is below this; 0: unknown
};

struct Document {
  uint64_t hash;    // of content and seed
  uint64_t at;      // file offset of its line
  uint64_t bytes;   // size of its text; 0 for ids
  uint32_t tokens;  // including the end of text
  bool has_labels;
};

// The unit of reading: about 1 MiB of a JSONL file, or a whole plain file.
struct Block {
  size_t file = 0;
  size_t number = 0;  // within the file
  bool ids = false;   // its documents are ids, not text
  TokenStore tokens;
  std::vector<Document> documents;
  std::vector<int32_t> labels;  // of those documents that have labels, concatenated
};

struct ReadSettings {
  uint64_t seq_length = 0;  // a document of ids may not be longer
  uint64_t seed = 0;
  unsigned threads = 1;
  size_t block_bytes = size_t{1} << 20;
};

// The blocks of the files, in order, not yet read.
std::vector<Block> plan_blocks(const std::vector<std::string>& files, size_t block_bytes);
// Reads the documents of one block; throws Error naming file and line of the first bad one.
void read_block(const std::string& file, const ReadSettings& settings, const Encoder& encoder, Block& block);
// Throws Error if one block has ids and the other text; `first` is the first block with documents.
void require_same_rows(const std::string& file, const Block& block, const std::string& first_file, const Block& first);

// All documents of the files, in order, tokenized on `threads` threads; the result does not depend on the number of threads.
// Throws Error naming file and line of the first bad document.
struct Corpus {
  std::vector<std::string> files;
  std::vector<Block> blocks;
  bool ids = false;

  using Settings = ReadSettings;
  static Corpus read(const std::vector<std::string>& files, const Settings& settings, const Encoder& encoder);
  // Reads the bytes of one JSONL file; `name`, which ends in .jsonl, is for messages.
  static Corpus read_jsonl(const std::string& name, std::string_view bytes, const Settings& settings, const Encoder& encoder);

  std::string text(const Block& block, const Document& document) const;  // reads the file again
};

}  // namespace corral::data
