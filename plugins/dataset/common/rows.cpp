#include "plugins/dataset/common/rows.h"

#include <algorithm>

namespace corral::data {
namespace {
constexpr int32_t kLabelNone = -100;
constexpr int32_t kPadding = 0;
}  // namespace

void clear_row(const RowOut& out) {
  std::ranges::fill(out.tokens, kPadding);
  std::ranges::fill(out.targets, kNoTarget);
  std::ranges::fill(out.first_key, 0);
  for (size_t i = 0; i < out.positions.size(); ++i) out.positions[i] = static_cast<int32_t>(i);
}

uint64_t StreamRows::rows() const {
  if (stream.size() < 2) return 0;
  return (stream.size() - 1 + (keep_tail ? seq_length - 1 : 0)) / seq_length;
}

void StreamRows::fill(uint64_t row, const RowOut& out) const {
  clear_row(out);
  const uint64_t start = row * seq_length, length = std::min<uint64_t>(seq_length, stream.size() - start);
  int32_t document = 0;
  for (uint64_t i = 0; i < length; ++i) {
    out.tokens[i] = stream[start + i];
    if (start + i + 1 < stream.size()) out.targets[i] = stream[start + i + 1];
    if (!reset_positions) continue;
    if (i > 0 && out.tokens[i - 1] == end_of_text) document = static_cast<int32_t>(i);
    out.first_key[i] = document;
    out.positions[i] = static_cast<int32_t>(i) - document;
  }
}

void GivenRows::add(const TokenStore& from, size_t begin, size_t count, std::span<const int32_t> row_labels) {
  ids.append(from, begin, count);
  ends.push_back(ids.size());
  labels_at.push_back(row_labels.empty() ? -1 : static_cast<int64_t>(labels.size()));
  labels.insert(labels.end(), row_labels.begin(), row_labels.end());
}

void GivenRows::fill(uint64_t row, const RowOut& out) const {
  clear_row(out);
  const uint64_t start = ends[row], length = ends[row + 1] - start;
  const int32_t* label = labels_at[row] < 0 ? nullptr : labels.data() + labels_at[row];
  for (uint64_t i = 0; i < length; ++i) out.tokens[i] = ids[start + i];
  for (uint64_t i = 0; i + 1 < length; ++i)
    out.targets[i] = !label ? out.tokens[i + 1] : label[i + 1] == kLabelNone ? kNoTarget : label[i + 1];
}

}  // namespace corral::data
