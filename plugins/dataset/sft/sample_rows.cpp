#include "plugins/dataset/sft/sample_rows.h"

#include <algorithm>

namespace corral::sft {

SampleRows::SampleRows(const SampleSet& set, std::vector<uint32_t> entries, uint32_t row_length, bool packed)
    : set_(set), entries_(std::move(entries)) {
  std::vector<uint32_t> lengths;
  for (const uint32_t e : entries_) {
    lengths.push_back(set.entries[e].places());
    places_ += lengths.back();
  }
  packed_ = packed ? pack(lengths, row_length) : one_each(entries_.size());
}

void SampleRows::fill(uint64_t row, const data::RowOut& out) const {
  size_t at = 0;
  for (uint64_t s = packed_.starts[row]; s < packed_.starts[row + 1]; ++s) {
    const SampleSet::Entry& entry = set_.entries[entries_[packed_.samples[s]]];
    const size_t places = entry.places();
    for (size_t i = 0; i < places; ++i) {
      out.tokens[at + i] = set_.tokens[entry.token + i];
      out.targets[at + i] = data::kNoTarget;
      out.positions[at + i] = static_cast<int32_t>(i);
      out.first_key[at + i] = static_cast<int32_t>(at);
    }
    for (const SampleSet::Span& span : set_.spans_of(entry))
      for (size_t i = std::max<size_t>(span.begin, 1); i < span.end; ++i) out.targets[at + i - 1] = set_.tokens[entry.token + i];
    at += places;
  }
  // A padding token attends only to itself, which is the cheapest choice and affects no other token.
  for (; at < out.tokens.size(); ++at) {
    out.tokens[at] = 0;
    out.targets[at] = data::kNoTarget;
    out.positions[at] = 0;
    out.first_key[at] = static_cast<int32_t>(at);
  }
}

}  // namespace corral::sft
