#include "bin/job/resident_memory.h"

#include <fstream>
#include <string>

namespace corral::job {

uint64_t resident_bytes(std::string_view figure) {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    uint64_t kibibytes = 0;
    if (word == figure && status >> kibibytes) return kibibytes << 10;
  }
  return 0;
}

}  // namespace corral::job
