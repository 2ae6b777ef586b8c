// Fetches the next micro-batch while the current one is computed.
#pragma once

#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>

#include "kernel/train/batch.h"

namespace corral::train {

class Prefetch {
 public:
  // Fetches micro-batches of `rows` sequences, in order, from sequence `first_row` on.
  Prefetch(Fetch fetch, uint64_t first_row, int64_t rows, int64_t seq_length);
  ~Prefetch();

  // The next micro-batch, valid until the next call. Rethrows an error of the fetch.
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
