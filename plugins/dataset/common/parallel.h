#pragma once
#include <cstddef>
#include <functional>

namespace corral::data {

// work(0) … work(count - 1) on `threads` threads. Numbers are taken in order and a taken one is finished, so that what is thrown is what
// the lowest failing number threw, however the threads ran.
void in_parallel(size_t count, unsigned threads, const std::function<void(size_t)>& work);

}  // namespace corral::data
