// Reads this process's memory use from the system.
#pragma once

#include <cstdint>
#include <string_view>

namespace corral::job {

// A field of /proc/self/status in bytes, such as "VmRSS:" (now) or "VmHWM:" (at its peak); 0 if it is missing.
uint64_t resident_bytes(std::string_view figure);

}  // namespace corral::job
