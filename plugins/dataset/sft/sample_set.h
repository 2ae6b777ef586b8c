// The samples of all files, in order.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/token_store.h"
#include "plugins/dataset/sft/row_writer.h"
#include "plugins/dataset/sft/sample.h"

namespace corral::sft {

struct SampleSet {
  struct Span {
    uint32_t begin, end;  // a run of trained ids of a sample
  };
  struct Entry {
    uint64_t hash;  // of its ids and the seed
    uint64_t at;    // file offset of its line
    uint64_t token, span;
    uint32_t tokens, spans, trained, file;
    Fault fault;
    bool truncated, trains_answer, trains_end;
    // Token positions in a row: every id but the last, which is only a target.
    uint32_t places() const { return tokens > 0 ? tokens - 1 : 0; }
  };

  std::vector<std::string> files;
  std::vector<Form> forms;  // one per file
  std::vector<Entry> entries;
  data::TokenStore tokens;
  std::vector<Span> spans;

  struct Settings {
    size_t seq_length = 0;
    uint64_t seed = 0;
    unsigned threads = 1;
    bool train_all = false;
    size_t block_bytes = size_t{1} << 20;
  };
  // The first row of a file decides its form. Throws Error naming file and line of the first bad row.
  static SampleSet read(const std::vector<std::string>& files, const Settings& settings, const RowWriter& writer,
                        const data::Encoder& encoder);

  std::string place(const Entry& entry) const;  // file:line
  std::span<const Span> spans_of(const Entry& e) const { return {spans.data() + e.span, e.spans}; }
};

}  // namespace corral::sft
