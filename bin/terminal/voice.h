// Writes for the user on standard error, from this one place. Results of commands go to standard output instead.
#pragma once

#include <string>
#include <string_view>

namespace corral::cli {

// Turns all output off; for ranks other than the first.
void set_silent(bool silent);

void say(const std::string& line);
// Shows a line that the next one replaces. Does nothing unless a terminal shows it.
void live(std::string_view line);
bool shows_live();

// Formats text as printf does.
[[gnu::format(printf, 1, 2)]] std::string printed(const char* format, ...);

}  // namespace corral::cli
