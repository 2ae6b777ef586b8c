// Independent pieces of work, done by several threads in the order they were added.
#pragma once

#include <functional>
#include <vector>

namespace corral::checkpoint {

// Runs all tasks and waits for them. If one throws, no further task is begun and its error is rethrown. If `parallel` is false, the tasks
// run one after the other on this thread.
void run_tasks(const std::vector<std::function<void()>>& tasks, bool parallel);

}  // namespace corral::checkpoint
