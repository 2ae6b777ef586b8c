#include "bin/terminal/voice.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdarg>
#include <cstdio>
#include <mutex>

namespace corral::cli {
namespace {
std::mutex mutex;
bool is_silent = false;
size_t live_width = 0;  // width of the live line on display
}  // namespace

void set_silent(bool silent) { is_silent = silent; }

void say(const std::string& line) {
  const std::lock_guard lock(mutex);
  if (is_silent) return;
  if (live_width) std::fprintf(stderr, "\r%*s\r", static_cast<int>(live_width), "");
  live_width = 0;
  std::fprintf(stderr, "%s\n", line.c_str());
}

void live(std::string_view line) {
  const std::lock_guard lock(mutex);
  // A line that wraps could not be overwritten.
  if (winsize size{}; ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) line = line.substr(0, size.ws_col - 1u);
  std::fprintf(stderr, "\r%.*s%*s", static_cast<int>(line.size()), line.data(),
               static_cast<int>(live_width > line.size() ? live_width - line.size() : 0), "");
  std::fflush(stderr);
  live_width = line.size();
}

bool shows_live() { return !is_silent && isatty(STDERR_FILENO) != 0; }

std::string printed(const char* format, ...) {
  va_list arguments, again;
  va_start(arguments, format);
  va_copy(again, arguments);
  const int size = std::vsnprintf(nullptr, 0, format, arguments);
  va_end(arguments);
  std::string text(static_cast<size_t>(size), '\0');
  std::vsnprintf(text.data(), text.size() + 1, format, again);
  va_end(again);
  return text;
}

}  // namespace corral::cli
