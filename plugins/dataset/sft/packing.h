#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace corral::sft {

// Rows of samples: row r contains samples[starts[r]] … samples[starts[r + 1] - 1], which are indices into the packed list.
struct Packed {
  std::vector<uint32_t> samples;
  std::vector<uint64_t> starts{0};
  uint64_t rows() const { return starts.size() - 1; }
};

// First fit decreasing: the longest sample first, each into the first row with room, equal lengths in their order. Rows are then sorted by
// their first sample, and the samples of a row by index. Samples of length 0 are left out.
Packed pack(std::span<const uint32_t> lengths, uint32_t row_length);

// One row per sample.
Packed one_each(size_t samples);

}  // namespace corral::sft
