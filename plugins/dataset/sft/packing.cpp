#include "plugins/dataset/sft/packing.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "corral/error.h"

namespace corral::sft {
namespace {

// A tree of the room left in rows: a leaf per row, in each inner node the maximum below. Descending finds the first row with room.
class Rooms {
 public:
  Rooms(size_t most, uint32_t row_length) : leaves_(std::bit_ceil(std::max<size_t>(1, most))), most_(2 * leaves_, row_length) {}

  size_t take(uint32_t length) {
    size_t at = 1;
    while (at < leaves_) at = 2 * at + (most_[2 * at] < length);
    const size_t row = at - leaves_;
    most_[at] -= length;
    while (at > 1) {
      at /= 2;
      most_[at] = std::max(most_[2 * at], most_[2 * at + 1]);
    }
    return row;
  }

 private:
  size_t leaves_;
  std::vector<uint32_t> most_;
};

}  // namespace

Packed pack(std::span<const uint32_t> lengths, uint32_t row_length) {
  std::vector<uint32_t> order(lengths.size());
  std::iota(order.begin(), order.end(), 0u);
  std::erase_if(order, [&](uint32_t i) { return lengths[i] == 0; });
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) { return lengths[a] > lengths[b]; });
  Rooms rooms(order.size(), row_length);
  constexpr uint32_t kNone = UINT32_MAX;
  std::vector<uint32_t> row_of(lengths.size(), kNone);
  for (const uint32_t i : order) {
    if (lengths[i] > row_length) fail_bug("a sample of {} tokens for rows of {}", lengths[i], row_length);
    row_of[i] = static_cast<uint32_t>(rooms.take(lengths[i]));
  }
  // Number the rows by their first sample and count their samples, in one pass in the order of the samples.
  std::vector<uint32_t> number(order.size(), kNone);
  std::vector<uint64_t> counts;
  for (size_t i = 0; i < lengths.size(); ++i) {
    if (row_of[i] == kNone) continue;
    uint32_t& row = number[row_of[i]];
    if (row == kNone) {
      row = static_cast<uint32_t>(counts.size());
      counts.push_back(0);
    }
    ++counts[row];
  }
  Packed packed;
  for (const uint64_t count : counts) packed.starts.push_back(packed.starts.back() + count);
  packed.samples.resize(packed.starts.back());
  std::vector<uint64_t> next(packed.starts.begin(), packed.starts.end() - 1);
  for (size_t i = 0; i < lengths.size(); ++i)
    if (row_of[i] != kNone) packed.samples[next[number[row_of[i]]]++] = static_cast<uint32_t>(i);
  return packed;
}

Packed one_each(size_t samples) {
  Packed packed;
  packed.samples.resize(samples);
  packed.starts.resize(samples + 1);
  std::iota(packed.samples.begin(), packed.samples.end(), 0u);
  std::iota(packed.starts.begin(), packed.starts.end(), uint64_t{0});
  return packed;
}

}  // namespace corral::sft
