// One micro-batch on the host, and the function that fills it with sequences.
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
  std::vector<int32_t> last_key;                               // the same: the token's own position, as attention is causal
  std::vector<float> weights;                                  // of each target in the loss; 0 if there is no target
};

// Fills a batch with the sequences from number `first_row` on. A part of the data repeats without end. Safe from any thread.
using Fetch = std::function<void(uint64_t first_row, Batch& batch)>;

}  // namespace corral::train
