#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plugins/dataset/common/token_store.h"

namespace corral::data {

constexpr int32_t kNoTarget = -1;

// One row of a batch; every span has seq_length members.
struct RowOut {
  std::span<int32_t> tokens;
  std::span<int32_t> targets;    // the token after, or kNoTarget
  std::span<int32_t> positions;  // for RoPE
  std::span<int32_t> first_key;  // first place of the row that this token may attend to
};

// Arrays of the caller, each [rows, seq_length].
struct BatchOut {
  int32_t* tokens;
  int32_t* targets;
  int32_t* positions;
  int32_t* first_key;
};

void clear_row(const RowOut& out);  // a row without targets

class Rows {
 public:
  virtual ~Rows() = default;
  virtual uint64_t rows() const = 0;
  virtual void fill(uint64_t row, const RowOut& out) const = 0;  // row < rows(); allocates nothing
};

// One stream of documents, cut into rows of seq_length + 1 tokens: the last token of a row, a target only, begins the next row, so that
// every token but the first is a target once.
struct StreamRows final : Rows {
  TokenStore stream;
  uint64_t seq_length = 0;
  int32_t end_of_text = -1;
  bool reset_positions = false;  // a document sees only itself, and its positions start at 0
  bool keep_tail = false;        // what does not fill a row is one more row, padded; otherwise left out
  uint64_t rows() const override;
  void fill(uint64_t row, const RowOut& out) const override;
};

// Rows of ids as the file gives them, padded. Without labels every token but the first is a target.
struct GivenRows final : Rows {
  TokenStore ids;
  std::vector<uint64_t> ends{0};   // row i is ids[ends[i] .. ends[i + 1])
  std::vector<int32_t> labels;     // of the rows that have them, one after the other
  std::vector<int64_t> labels_at;  // where a row's labels start, or -1
  void add(const TokenStore& from, size_t begin, size_t count, std::span<const int32_t> row_labels);
  uint64_t rows() const override { return ends.size() - 1; }
  void fill(uint64_t row, const RowOut& out) const override;
};

}  // namespace corral::data
