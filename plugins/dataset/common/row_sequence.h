#pragma once
#include <cstdint>
#include <memory>
#include <vector>

#include "plugins/dataset/common/blend.h"
#include "plugins/dataset/common/rows.h"

namespace corral::data {

// The endless series of a part's rows: distributed over its sources by weight, each source shuffled anew in every epoch. Row n is a pure
// function of n, so a resumed run needs only the number of rows used.
class RowSequence {
 public:
  enum class Order { kShuffled, kOfTheFile, kOnce };  // kOnce: in the order of the files; after the last row, rows without targets

  explicit RowSequence(Order order) : order_(order) {}
  void add(std::unique_ptr<Rows> rows, double weight, uint64_t key);
  bool empty() const { return streams_.empty(); }

  struct Place {
    const Rows* rows;  // null past the end of kOnce
    uint64_t row;
  };
  Place place(uint64_t row) const;
  void fetch(uint64_t first_row, uint64_t rows, size_t seq_length, const BatchOut& batch) const;  // any thread; allocates nothing

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
