#pragma once
#include <cstdint>
#include <vector>

#include "plugins/dataset/common/rows.h"
#include "plugins/dataset/sft/packing.h"
#include "plugins/dataset/sft/sample_set.h"

namespace corral::sft {

// Samples one after the other in a row: each has positions from 0 and sees only itself; what is left of the row trains nothing.
class SampleRows final : public data::Rows {
 public:
  // `entries`: the samples, numbers of the set, which outlives the rows.
  SampleRows(const SampleSet& set, std::vector<uint32_t> entries, uint32_t row_length, bool packed);
  uint64_t rows() const override { return packed_.rows(); }
  void fill(uint64_t row, const data::RowOut& out) const override;
  uint64_t places() const { return places_; }  // that hold a token

 private:
  const SampleSet& set_;
  std::vector<uint32_t> entries_;
  Packed packed_;
  uint64_t places_ = 0;
};

}  // namespace corral::sft
