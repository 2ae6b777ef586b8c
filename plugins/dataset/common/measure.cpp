#include "plugins/dataset/common/measure.h"

#include <algorithm>
#include <cmath>
#include <unordered_map>

namespace corral::data {
namespace {
constexpr size_t kLongestToken = 256, kLargestGroup = 6;

bool starts_character(std::string_view text, size_t at) {
  return at >= text.size() || (static_cast<unsigned char>(text[at]) & 0xC0) != 0x80;
}

// The size of the shortest piece at `at` that encodes to exactly ids[first .. first + group); 0 if there is none.
size_t match(std::string_view text, size_t at, const std::vector<int32_t>& ids, size_t first, size_t group, const Encoder& encoder,
             std::vector<int32_t>& piece) {
  for (size_t length = 1; length <= kLongestToken && at + length <= text.size(); ++length) {
    if (!starts_character(text, at + length)) continue;
    encoder.encode(text.substr(at, length), piece);
    if (std::equal(piece.begin(), piece.end(), ids.begin() + static_cast<ptrdiff_t>(first),
                   ids.begin() + static_cast<ptrdiff_t>(first + group)))
      return length;
  }
  return 0;
}

// An upper bound of the bytes of `tokens` tokens. The margin keeps tokens that the cut changes outside of the count.
size_t span_of(uint64_t tokens) { return (tokens + 16) * kLongestToken; }
}  // namespace

Targets measure_targets(const Rows& rows, uint64_t seq_length) {
  std::vector<int32_t> tokens(seq_length), targets(seq_length), positions(seq_length), first_key(seq_length);
  std::vector<uint64_t> counts;
  Targets measured;
  for (uint64_t row = 0; row < rows.rows(); ++row) {
    rows.fill(row, {tokens, targets, positions, first_key});
    for (const int32_t target : targets) {
      if (target < 0) continue;
      if (static_cast<size_t>(target) >= counts.size()) counts.resize(static_cast<size_t>(target) * 3 / 2 + 1);
      ++counts[static_cast<size_t>(target)];
      ++measured.count;
    }
  }
  const double total = static_cast<double>(measured.count);
  for (const uint64_t count : counts)
    if (count > 0) measured.unigram_entropy -= static_cast<double>(count) / total * std::log(static_cast<double>(count) / total);
  return measured;
}

uint64_t bytes_of_prefix(std::string_view text, uint64_t tokens, const Encoder& encoder) {
  if (tokens < text.size() && span_of(tokens) < text.size()) {
    size_t end = span_of(tokens);
    while (!starts_character(text, end)) ++end;
    text = text.substr(0, end);
  }
  std::vector<int32_t> ids, piece;
  encoder.encode(text, ids);
  if (tokens >= ids.size()) return text.size();
  std::unordered_map<int32_t, size_t> known;
  size_t at = 0, first = 0;
  while (first < tokens) {
    if (const auto found = known.find(ids[first]); found != known.end()) {
      at += found->second;
      ++first;
      continue;
    }
    size_t group = 1, length = 0;
    for (; group <= kLargestGroup && first + group <= ids.size(); ++group)
      if ((length = match(text, at, ids, first, group, encoder, piece)) > 0) break;
    if (length == 0) return text.size() * tokens / ids.size();
    if (group == 1) known[ids[first]] = length;
    if (first + group > tokens) return at + length * (tokens - first) / group;
    at += length;
    first += group;
  }
  return at;
}

uint64_t bytes_of_suffix(std::string_view text, uint64_t tokens, const Encoder& encoder) {
  if (tokens < text.size() && span_of(tokens) < text.size()) {
    size_t begin = text.size() - span_of(tokens);
    while (!starts_character(text, begin)) ++begin;
    text = text.substr(begin);
  }
  std::vector<int32_t> ids;
  encoder.encode(text, ids);
  return tokens >= ids.size() ? text.size() : text.size() - bytes_of_prefix(text, ids.size() - tokens, encoder);
}

}  // namespace corral::data
