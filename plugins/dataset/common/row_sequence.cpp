#include "plugins/dataset/common/row_sequence.h"

#include "plugins/dataset/common/permutation.h"

namespace corral::data {

void RowSequence::add(std::unique_ptr<Rows> rows, double weight, uint64_t key) {
  streams_.push_back({std::move(rows), key});
  weights_.push_back(weight);
  blend_ = Blend(weights_);
}

RowSequence::Place RowSequence::place(uint64_t row) const {
  const Blend::Place dealt = blend_(row);
  const Stream& stream = streams_[dealt.source];
  const uint64_t size = stream.rows->rows(), epoch = dealt.row / size, index = dealt.row % size;
  if (order_ == Order::kOnce) return {epoch == 0 ? stream.rows.get() : nullptr, index};
  return {stream.rows.get(), order_ == Order::kShuffled ? Permutation(size, stream.key ^ mix(epoch))(index) : index};
}

void RowSequence::fetch(uint64_t first_row, uint64_t rows, size_t length, const BatchOut& batch) const {
  for (uint64_t i = 0; i < rows; ++i) {
    const auto at = [&](int32_t* array) { return std::span(array + i * length, length); };
    const RowOut out{at(batch.tokens), at(batch.targets), at(batch.positions), at(batch.first_key)};
    const Place from = place(first_row + i);
    from.rows ? from.rows->fill(from.row, out) : clear_row(out);
  }
}

}  // namespace corral::data
