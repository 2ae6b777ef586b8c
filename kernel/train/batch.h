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
        last_key(tokens.size()),
        weights(tokens.size()) {
    for (size_t i = 0; i < last_key.size(); ++i) last_key[i] = static_cast<int32_t>(static_cast<int64_t>(i) % seq_length_);
  }
  int64_t rows, seq_length;
  std::vector<int32_t> tokens, targets, positions, first_key;  // [rows, seq_length]
  std::vector<int32_t> last_key;                               // the same: the own token position, as no text sees what comes after
  std::vector<float> weights;                                  // of each target in the loss; 0 where there is none
};

// Fills rows first_row ... of the endless sequence of a part of the data. Safe from any thread.
using Fetch = std::function<void(uint64_t first_row, Batch& batch)>;

}  // namespace corral::train
