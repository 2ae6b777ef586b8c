// The services of the host for plugins (corral_host), and the sentence of the error that a thread's call is about to report.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "corral/abi.h"

namespace corral {

// The one host table of this process; valid until exit.
const corral_host& host_table();

// Longest sentence that is kept; the rest of a longer one is cut off.
inline constexpr uint64_t kMaxSentence = uint64_t{64} << 10;

// Forgets this thread's sentence.
void clear_sentence() noexcept;
// Moves out this thread's sentence; "" if none was set since the last clear.
std::string take_sentence();

// Makes valid UTF-8 of any bytes. Invalid bytes become U+FFFD; control characters other than newline and tab become blanks.
std::string printable(std::string_view bytes);

// The call that this thread makes into a plugin, so that a crash is reported with the plugin's name. The texts outlive the call.
struct CallMark {
  const char* plugin = nullptr;     // kind/name
  const char* interface = nullptr;  // its id, or ""
  const char* function = nullptr;
};
extern constinit thread_local CallMark current_call;

// Installs handlers for signals and std::terminate. Within a plugin they write one line that names plugin, interface and function, and exit
// with 4. Outside of plugins the process ends as without them.
void install_crash_line();

// Writes one line and exits with 4: for a broken contract that no status can report.
[[noreturn]] void die(const char* sentence) noexcept;

}  // namespace corral
