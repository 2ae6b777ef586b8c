// Flags of the commands that convert and compare models.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bin/convert/logits_check.h"
#include "bin/terminal/command.h"

namespace corral::cli {

inline constexpr Flag kCheckFlag{"check", Flag::kNothing, "", "compare the logits of source and target on three prompts", ""};
inline constexpr Flag kCheckMemoryFlag{"check-memory", Flag::kValue, "SIZE", "memory that --check may use (all that is free)", ""};

// Reads --check and --check-memory; empty without --check. Throws Error (2) if --check-memory is given alone.
std::optional<convert::LogitsCheckOptions> wanted_check(const Arguments& arguments);

// Reads a size flag, such as "5GB", "200MB" or "1000", in bytes; 0 if it is not given. Throws Error (2) naming the flag.
uint64_t size_of_flag(const Arguments& arguments, const std::string& flag);

}  // namespace corral::cli
