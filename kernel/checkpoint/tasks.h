// Independent pieces of work, done by several threads in the order they were added.
#pragma once

#include <functional>
#include <vector>

namespace corral::checkpoint {

// Runs all of them and waits; where one throws, no further one is begun, and that error is thrown. One after the other, on this thread,
// where `parallel` is false.
void run_tasks(const std::vector<std::function<void()>>& tasks, bool parallel);

}  // namespace corral::checkpoint
