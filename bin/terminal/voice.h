// The one place that writes for the user: standard error. Results of commands go to standard output instead.
#pragma once

#include <string>
#include <string_view>

namespace corral::cli {

// Whether nothing is written: on a rank beside the first.
void set_silent(bool silent);

void say(const std::string& line);
// A line that the next one replaces; only where a terminal shows it.
void live(std::string_view line);
bool shows_live();

// Text as printf writes it.
[[gnu::format(printf, 1, 2)]] std::string printed(const char* format, ...);

}  // namespace corral::cli
