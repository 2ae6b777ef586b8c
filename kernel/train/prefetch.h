// Fetches the next micro-batch while the present one is computed.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "kernel/train/batch.h"

namespace corral::train {

class Prefetch {
 public:
  // Micro-batches of `rows` rows from `first_row` on, in order.
  Prefetch(Fetch fetch, uint64_t first_row, int64_t rows, int64_t seq_length);
  ~Prefetch();

  // The next one, valid until the next call. Rethrows what the fetch threw.
  const Batch& next();

 private:
  void work();

  Fetch fetch_;
  uint64_t row_;
  Batch batches_[2];
  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t made_ = 0, taken_ = 0;
  bool stop_ = false;
  std::exception_ptr error_;
  std::thread thread_;
};

}  // namespace corral::train
