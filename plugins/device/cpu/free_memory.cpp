#include "plugins/device/cpu/free_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace corral::cpu {

uint64_t free_memory() {
  uint64_t available = 0, most = 0, used = 0;
  std::ifstream system("/proc/meminfo");
  for (std::string word; system >> word;) {
    uint64_t kibibytes = 0;
    if (word == "MemAvailable:" && system >> kibibytes) available = kibibytes << 10;
  }
  // Without a limit the file says "max", which is not read as a number.
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> most && std::ifstream("/sys/fs/cgroup/memory.current") >> used)
    available = std::min(available, most - std::min(most, used));
  return available;
}

}  // namespace corral::cpu
