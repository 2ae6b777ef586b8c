#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "plugins/dataset/common/blend.h"
#include "plugins/dataset/common/rows.h"

namespace corral::data {

// The endless sequence of a part's rows: dealt from its sources by weight, each shuffled anew in every epoch. Row n is a pure function of
// n, so the number of rows used is all that a resumed run needs.
class RowSequence {
 public:
  enum class Order { kShuffled, kOfTheFile, kOnce };  // kOnce: as in the files, and rows without targets after the last

  explicit RowSequence(Order order) : order_(order) {}
  void add(std::unique_ptr<Rows> rows, double weight, uint64_t key);
  bool empty() const { return streams_.empty(); }

  struct Place {
    const Rows* rows;  // null: past the end
    uint64_t row;
  };
  Place place(uint64_t row) const;
  void fetch(uint64_t first_row, uint64_t rows, size_t seq_length, const BatchOut& batch) const;  // from any thread; allocates nothing

 private:
  struct Stream {
    std::unique_ptr<Rows> rows;
    uint64_t key;
  };
  Order order_;
  std::vector<Stream> streams_;
  std::vector<double> weights_;
  Blend blend_{{}};
};

}  // namespace corral::data
