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
// This thread's sentence, moved out; "" where none was set since the last clear.
std::string take_sentence();

// Valid UTF-8 of whatever bytes; what is none becomes U+FFFD, control characters other than newline and tab become blanks.
std::string printable(std::string_view bytes);

// The call that this thread makes into a plugin, so that a crash can be told with the plugin's name. All are static or outlive the call.
struct CallMark {
  const char* plugin = nullptr;     // kind/name
  const char* interface = nullptr;  // its id; "" where none is meant
  const char* function = nullptr;
};
extern constinit thread_local CallMark current_call;

// Where the process would die by a signal or by std::terminate within a plugin: writes one line that names plugin, interface and function,
// and exits with 4. Outside of plugins it dies as ever.
void install_crash_line();

// One line, and exit code 4: for a broken contract that no status can carry.
[[noreturn]] void die(const char* sentence) noexcept;

}  // namespace corral
