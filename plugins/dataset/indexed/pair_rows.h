// Documents of pairs as one stream that is cut into rows.
#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "plugins/dataset/common/rows.h"
#include "plugins/dataset/indexed/pair.h"

namespace corral::indexed {

// Rows as data::StreamRows makes them, of tokens that stay in their files. fill() throws Error (2) at a token that is no id.
class PairRows final : public data::Rows {
 public:
  struct Settings {
    uint64_t seq_length = 0;
    uint32_t num_ids = 0;          // ids are below; 0: unknown
    int32_t end_of_text = -1;      // of the vocabulary
    bool reset_positions = false;  // a document sees only itself, and its positions start at 0
    bool keep_tail = false;        // what does not fill a row is one more row, padded; otherwise left out
  };
  explicit PairRows(const Settings& settings);

  // Documents [first, last) of the pair come next.
  void add(std::shared_ptr<const Pair> pair, uint64_t first, uint64_t last);
  uint64_t documents() const { return documents_; }
  uint64_t tokens() const { return tokens_; }

  uint64_t rows() const override;
  void fill(uint64_t row, const data::RowOut& out) const override;

 private:
  struct Segment {
    std::shared_ptr<const Pair> pair;
    uint64_t first_sequence, last_sequence;
    uint64_t at;           // its first token in the stream
    uint64_t first_token;  // and in the pair
  };
  class Cursor;

  const Settings settings_;
  const uint32_t limit_;
  std::vector<Segment> segments_;  // none is empty
  uint64_t documents_ = 0, tokens_ = 0;
};

}  // namespace corral::indexed
