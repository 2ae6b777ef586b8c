// What the system says of this process's memory.
#pragma once

#include <cstdint>
#include <string_view>

namespace corral::job {

// A figure of /proc/self/status in bytes, such as "VmRSS:" (now) or "VmHWM:" (at its peak); 0 where there is none.
uint64_t resident_bytes(std::string_view figure);

}  // namespace corral::job
