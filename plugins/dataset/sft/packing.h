#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace corral::sft {

// Rows of samples: row r has samples[starts[r]] … samples[starts[r + 1] - 1], numbers into the list that was packed.
struct Packed {
  std::vector<uint32_t> samples;
  std::vector<uint64_t> starts{0};
  uint64_t rows() const { return starts.size() - 1; }
};

// First fit by length: the longest sample first, each into the first row with room for it, equal ones in order. Rows then stand in the
// order of their first sample, as do the samples of a row. Samples of length 0 take no room and are left out.
Packed pack(std::span<const uint32_t> lengths, uint32_t row_length);

// A row each.
Packed one_each(size_t samples);

}  // namespace corral::sft
