#include "kernel/train/step_values.h"

#include <algorithm>

namespace corral::train {

const StepValueTable::Row& StepValueTable::at(uint64_t step) {
  if (rows_.empty() || step < first_ || step >= first_ + rows_.size()) {
    first_ = step;
    rows_.clear();
    const uint64_t end = std::max(step + 1, std::min(step + kBlock, train_iters_));
    for (uint64_t s = step; s < end; ++s) {
      Row& row = rows_.emplace_back();
      for (const StepValue& v : optimizer_.handle.step_values(optimizer_.options, s, train_iters_).values)
        row.emplace_back(v.name, v.value);
    }
  }
  return rows_[step - first_];
}

}  // namespace corral::train
