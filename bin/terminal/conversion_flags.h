// Flags of the commands that convert and compare models.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "bin/convert/logits_check.h"
#include "bin/terminal/command.h"

namespace corral::cli {

inline constexpr Flag kCheckFlag{"check", Flag::kNothing, "", "compare the logits of source and target on three prompts", ""};
inline constexpr Flag kCheckMemoryFlag{"check-memory", Flag::kValue, "SIZE", "memory that --check may take (what is free)", ""};

// Of both flags; nothing without --check. Throws Error (2) where --check-memory is given alone.
std::optional<convert::LogitsCheckOptions> wanted_check(const Arguments& arguments);

// "5GB", "200MB", "1000": bytes, as the flag states them; 0 where it is not given. Throws Error (2) naming the flag.
uint64_t size_of_flag(const Arguments& arguments, const std::string& flag);

}  // namespace corral::cli
