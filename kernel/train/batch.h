// One micro-batch on the host, and where its rows come from.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

namespace corral::train {

struct Batch {
  Batch(int64_t rows_, int64_t seq_length_)
      : rows(rows_),
        seq_length(seq_length_),
        tokens(static_cast<size_t>(rows_ * seq_length_)),
        targets(tokens.size()),
        positions(tokens.size()),
        first_key(tokens.size()),
        weights(tokens.size()) {}
  int64_t rows, seq_length;
  std::vector<int32_t> tokens, targets, positions, first_key;  // [rows, seq_length]
  std::vector<float> weights;                                  // of each target in the loss; 0 where there is none
};

// Fills rows first_row ... of the endless sequence of a part of the data. Safe from any thread.
using Fetch = std::function<void(uint64_t first_row, Batch& batch)>;

}  // namespace corral::train
