#include "kernel/train/prefetch.h"

namespace corral::train {

Prefetch::Prefetch(Fetch fetch, uint64_t first_row, int64_t rows, int64_t seq_length)
    : fetch_(std::move(fetch)), row_(first_row), batches_{{rows, seq_length}, {rows, seq_length}}, thread_([this] { work(); }) {}

Prefetch::~Prefetch() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

// Batch number n is in batches_[n % 2]; one is read while the other is filled.
void Prefetch::work() {
  for (uint64_t n = 0;; ++n) {
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return stop_ || n < taken_ + 1; });
      if (stop_) return;
    }
    std::exception_ptr error;
    try {
      fetch_(row_, batches_[n % 2]);
    } catch (...) {
      error = std::current_exception();
    }
    row_ += static_cast<uint64_t>(batches_[n % 2].rows);
    {
      const std::lock_guard lock(mutex_);
      made_ = n + 1;
      error_ = error;
    }
    changed_.notify_all();
    if (error) return;
  }
}

const Batch& Prefetch::next() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [&] { return made_ > taken_ || error_; });
  if (made_ <= taken_ || (error_ && made_ == taken_ + 1)) std::rethrow_exception(error_);
  const Batch& batch = batches_[taken_ % 2];
  ++taken_;
  lock.unlock();
  changed_.notify_all();
  return batch;
}

}  // namespace corral::train
