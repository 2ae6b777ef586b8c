#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plugins/dataset/common/token_store.h"

namespace corral::data {

constexpr int32_t kNoTarget = -1;

// A row: one sequence of a batch. Every span has seq_length elements.
struct RowOut {
  std::span<int32_t> tokens;
  std::span<int32_t> targets;    // the next token, or kNoTarget
  std::span<int32_t> positions;  // token positions for RoPE
  std::span<int32_t> first_key;  // index of the first token in the row that this token may attend to
};

// Arrays of the caller, each [rows, seq_length].
struct BatchOut {
  int32_t* tokens;
  int32_t* targets;
  int32_t* positions;
  int32_t* first_key;
};

void clear_row(const RowOut& out);  // makes a row of padding, without targets

class Rows {
 public:
  virtual ~Rows() = default;
  virtual uint64_t rows() const = 0;
  virtual void fill(uint64_t row, const RowOut& out) const = 0;  // row < rows(); allocates nothing
};

// One stream of documents, cut into rows of seq_length + 1 tokens. The last token of a row is only a target and begins the next row, so
// that every token but the stream's first is a target once.
struct StreamRows final : Rows {
  TokenStore stream;
  uint64_t seq_length = 0;
  int32_t end_of_text = -1;
  bool reset_positions = false;  // a token attends only to its own document, and positions restart at 0 with each
  bool keep_tail = false;        // an incomplete last row is padded instead of left out
  uint64_t rows() const override;
  void fill(uint64_t row, const RowOut& out) const override;
};

// One row per document of ids, padded. Without labels every token but the first is a target.
struct GivenRows final : Rows {
  TokenStore ids;
  std::vector<uint64_t> ends{0};   // row i is ids[ends[i] .. ends[i + 1])
  std::vector<int32_t> labels;     // of those rows that have labels, concatenated
  std::vector<int64_t> labels_at;  // index of a row's first label, or -1
  void add(const TokenStore& from, size_t begin, size_t count, std::span<const int32_t> row_labels);
  uint64_t rows() const override { return ends.size() - 1; }
  void fill(uint64_t row, const RowOut& out) const override;
};

}  // namespace corral::data
