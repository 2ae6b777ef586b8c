// The optimizer's step inputs, requested for many steps at once so that a step allocates nothing.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "kernel/train/pipeline.h"

namespace corral::train {

class StepValueTable {
 public:
  using Row = std::vector<std::pair<std::string, double>>;

  StepValueTable(Chosen<OptimizerHandle> optimizer, uint64_t train_iters) : optimizer_(std::move(optimizer)), train_iters_(train_iters) {}

  // Values of the update that follows `step` finished steps; valid until the next call.
  const Row& at(uint64_t step);

 private:
  static constexpr uint64_t kBlock = 1024;
  Chosen<OptimizerHandle> optimizer_;
  uint64_t train_iters_, first_ = 0;
  std::vector<Row> rows_;
};

}  // namespace corral::train
