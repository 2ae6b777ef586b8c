#pragma once
#include <cstdint>
#include <vector>

#include "plugins/dataset/common/rows.h"
#include "plugins/dataset/sft/packing.h"
#include "plugins/dataset/sft/sample_set.h"

namespace corral::sft {

// Rows of consecutive samples. Token positions restart with each sample, tokens attend only to their own sample, and padding is not
// trained.
class SampleRows final : public data::Rows {
 public:
  // `entries` are indices into `set`, which must outlive the rows.
  SampleRows(const SampleSet& set, std::vector<uint32_t> entries, uint32_t row_length, bool packed);
  uint64_t rows() const override { return packed_.rows(); }
  void fill(uint64_t row, const data::RowOut& out) const override;
  uint64_t places() const { return places_; }  // token positions in use, over all rows

 private:
  const SampleSet& set_;
  std::vector<uint32_t> entries_;
  Packed packed_;
  uint64_t places_ = 0;
};

}  // namespace corral::sft
