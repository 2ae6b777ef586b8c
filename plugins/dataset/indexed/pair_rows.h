// The documents of pairs as one stream, cut into rows.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "plugins/dataset/common/rows.h"
#include "plugins/dataset/indexed/pair.h"

namespace corral::indexed {

// Makes the rows of data::StreamRows from tokens that stay in their files. fill() throws Error (2) at a token that is not an id.
class PairRows final : public data::Rows {
 public:
  struct Settings {
    uint64_t seq_length = 0;
    uint32_t num_ids = 0;          // every id is below this; 0: unknown
    int32_t end_of_text = -1;      // the vocabulary's end of text, or -1
    bool reset_positions = false;  // a token attends only to its own document, and positions restart at 0 with each
    bool keep_tail = false;        // an incomplete last row is padded instead of left out
  };
  explicit PairRows(const Settings& settings);

  // Appends documents [first, last) of a pair to the stream.
  void add(std::shared_ptr<const Pair> pair, uint64_t first, uint64_t last);
  uint64_t documents() const { return documents_; }
  uint64_t tokens() const { return tokens_; }

  uint64_t rows() const override;
  void fill(uint64_t row, const data::RowOut& out) const override;

 private:
  struct Segment {
    std::shared_ptr<const Pair> pair;
    uint64_t first_sequence, last_sequence;
    uint64_t at;           // position of its first token in the stream
    uint64_t first_token;  // and in the pair
  };
  class Cursor;

  const Settings settings_;
  const uint32_t limit_;
  std::vector<Segment> segments_;  // each has at least one token
  uint64_t documents_ = 0, tokens_ = 0;
};

}  // namespace corral::indexed
