#include "kernel/checkpoint/tasks.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

namespace corral::checkpoint {
namespace {
constexpr size_t kMostThreads = 8;  // more than a disk can keep busy
}

void run_tasks(const std::vector<std::function<void()>>& tasks, bool parallel) {
  const size_t threads =
      parallel ? std::clamp<size_t>(std::thread::hardware_concurrency(), 1, std::min(kMostThreads, std::max<size_t>(tasks.size(), 1))) : 1;
  if (threads == 1) {
    for (const auto& task : tasks) task();
    return;
  }
  std::atomic<size_t> next{0};
  std::exception_ptr error;
  std::mutex mutex;
  const auto work = [&] {
    for (size_t i = next++; i < tasks.size(); i = next++) {
      try {
        tasks[i]();
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!error) error = std::current_exception();
        next = tasks.size();
      }
    }
  };
  std::vector<std::jthread> others;
  for (size_t t = 1; t < threads; ++t) others.emplace_back(work);
  work();
  others.clear();
  if (error) std::rethrow_exception(error);
}

}  // namespace corral::checkpoint
