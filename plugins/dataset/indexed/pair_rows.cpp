#include "plugins/dataset/indexed/pair_rows.h"

#include <algorithm>
#include <cstring>

#include "corral/error.h"

namespace corral::indexed {

// Reads the stream from a given token on, across sequences and pairs.
class PairRows::Cursor {
 public:
  Cursor(const PairRows& rows, uint64_t token) : rows_(rows) {
    segment_ =
        std::upper_bound(rows.segments_.begin(), rows.segments_.end(), token, [](uint64_t t, const Segment& s) { return t < s.at; }) - 1;
    const Index::Place place = index().find(segment_->first_token + (token - segment_->at));
    sequence_ = place.sequence;
    offset_ = place.offset;
  }

  // Reads the next `count` tokens, which must exist. Calls begun(i) if token i of them is the first of a document.
  template <class Begun>
  void read(uint64_t count, int32_t* to, Begun begun) {
    for (uint64_t done = 0; done < count;) {
      bool begins = false;
      while (offset_ == index().length(sequence_)) begins |= next_sequence();
      if (begins) begun(done);
      const uint64_t some = std::min(count - done, index().length(sequence_) - offset_);
      copy(some, to + done);
      done += some;
      offset_ += some;
    }
  }

 private:
  const Index& index() const { return segment_->pair->index; }

  // Advances. Returns true if a document begins there that must not see the ones before.
  bool next_sequence() {
    offset_ = 0;
    if (++sequence_ == segment_->last_sequence) sequence_ = (++segment_)->first_sequence;
    return rows_.settings_.reset_positions && index().begins_document(sequence_);
  }

  void copy(uint64_t count, int32_t* to) const {
    const TokenType& type = index().type();
    const char* const from = segment_->pair->tokens.data() + index().byte_of(sequence_) + offset_ * type.bytes;
    const uint64_t good = type.read(from, count, rows_.limit_, to);
    if (good == count) return;
    const std::string token = type.text(from + good * type.bytes);
    const auto place = format("{}.bin: token {} of sequence {} is {}", segment_->pair->prefix, offset_ + good, sequence_, token);
    if (rows_.settings_.num_ids == 0) fail("{}, which is not a token id", place);
    fail("{}, but the vocabulary has {} ids: it was made with another tokenizer", place, rows_.settings_.num_ids);
  }

  const PairRows& rows_;
  std::vector<Segment>::const_iterator segment_;
  uint64_t sequence_, offset_;
};

PairRows::PairRows(const Settings& settings) : settings_(settings), limit_(settings.num_ids > 0 ? settings.num_ids : INT32_MAX) {}

void PairRows::add(std::shared_ptr<const Pair> pair, uint64_t first, uint64_t last) {
  documents_ += last - first;
  const Index& index = pair->index;
  Segment s{pair, index.first_sequence(first), index.first_sequence(last), tokens_, 0};
  s.first_token = index.tokens_before(s.first_sequence);
  const uint64_t tokens = index.tokens_before(s.last_sequence) - s.first_token;
  if (tokens == 0) return;
  tokens_ += tokens;
  segments_.push_back(std::move(s));
}

uint64_t PairRows::rows() const {
  if (tokens_ < 2) return 0;
  return (tokens_ - 1 + (settings_.keep_tail ? settings_.seq_length - 1 : 0)) / settings_.seq_length;
}

void PairRows::fill(uint64_t row, const data::RowOut& out) const {
  data::clear_row(out);
  const uint64_t start = row * settings_.seq_length, length = std::min(settings_.seq_length, tokens_ - start);
  Cursor cursor(*this, start);
  cursor.read(length, out.tokens.data(), [&](uint64_t i) { out.first_key[i] = static_cast<int32_t>(i); });
  std::copy(out.tokens.begin() + 1, out.tokens.begin() + static_cast<std::ptrdiff_t>(length), out.targets.begin());
  if (start + length < tokens_) cursor.read(1, &out.targets[length - 1], [](uint64_t) {});
  if (!settings_.reset_positions) return;
  int32_t document = 0;
  for (uint64_t i = 0; i < length; ++i) {
    const bool begins = out.first_key[i] > 0 || (i > 0 && out.tokens[i - 1] == settings_.end_of_text);
    if (begins) document = static_cast<int32_t>(i);
    out.first_key[i] = document;
    out.positions[i] = static_cast<int32_t>(i) - document;
  }
}

}  // namespace corral::indexed
