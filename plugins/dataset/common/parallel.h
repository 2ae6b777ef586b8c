#pragma once
#include <cstddef>
#include <functional>

namespace corral::data {

// Runs work(0) … work(count - 1) on `threads` threads. Rethrows the exception of the lowest failing number, however the threads are
// scheduled: numbers start in order, and a started one always finishes.
void in_parallel(size_t count, unsigned threads, const std::function<void(size_t)>& work);

}  // namespace corral::data
