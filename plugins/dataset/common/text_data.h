#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "plugins/dataset/common/corpus.h"
#include "plugins/dataset/common/row_sequence.h"

namespace corral::data {

struct TextDataOptions {
  std::vector<std::string> paths;  // as in data.paths
  std::string split = "98,1,1";
  bool shuffle = true;
  bool reset_positions = false;
  bool whole = false;  // a single part, "all": every document in file order, the last row padded, rows past the end without targets
  uint64_t seed = 0;
  uint64_t seq_length = 0;
  unsigned threads = 1;
};

struct PartInfo {
  std::string name;
  uint64_t rows = 0;  // in one epoch
  uint64_t tokens = 0, targets = 0, documents = 0;
  uint64_t bytes = 0;          // of the text that the targets represent; 0: unknown (rows of ids)
  double unigram_entropy = 0;  // in nats per target
};

// A dataset of text files: reads, tokenizes and splits them when it is constructed, then serves rows.
class TextData {
 public:
  TextData(const TextDataOptions& options, const Encoder& encoder);

  const std::vector<PartInfo>& parts() const { return infos_; }
  const std::vector<std::string>& notices() const { return notices_; }
  bool sees_all_before() const { return !options_.reset_positions; }
  void fetch(size_t part, uint64_t first_row, uint64_t rows, const BatchOut& batch) const;  // any thread; allocates nothing

  RowSequence::Place place(size_t part, uint64_t row) const { return with_rows(part).place(row); }

 private:
  const RowSequence& with_rows(size_t part) const;
  void note_totals(const Corpus& corpus);

  TextDataOptions options_;
  std::vector<RowSequence> parts_;
  std::vector<PartInfo> infos_;
  std::vector<std::string> notices_;
};

}  // namespace corral::data
