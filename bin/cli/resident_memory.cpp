#include "bin/cli/resident_memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace corral::cli {

uint64_t resident_bytes(std::string_view figure) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == figure && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

uint64_t available_memory() {
  uint64_t available = UINT64_MAX, most = 0, used = 0;
  std::ifstream system("/proc/meminfo");
  for (std::string word; system >> word;) {
    uint64_t kibibytes = 0;
    if (word == "MemAvailable:" && system >> kibibytes) available = kibibytes << 10;
  }
  // "max" is no number: nothing is read.
  if (std::ifstream("/sys/fs/cgroup/memory.max") >> most && std::ifstream("/sys/fs/cgroup/memory.current") >> used)
    available = std::min(available, most - std::min(most, used));
  return available;
}

}  // namespace corral::cli
