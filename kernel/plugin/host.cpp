#include "kernel/plugin/host.h"

#include <fcntl.h>
#include <glog/logging.h>
#include <limits.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <exception>
#include <utility>

namespace corral {

constinit thread_local CallMark current_call;

namespace {

thread_local std::string sentence;

corral_status set_error(const corral_host*, const char* text, uint64_t size) noexcept {
  try {
    sentence.assign(text ? text : "", text ? std::min(size, kMaxSentence) : 0);
  } catch (...) {
    sentence.clear();
  }
  return CORRAL_OK;
}

corral_status log(const corral_host*, int32_t severity, const char* text, uint64_t size) noexcept {
  try {
    const std::string line = printable({text ? text : "", text ? std::min(size, kMaxSentence) : 0});
    const char* plugin = current_call.plugin ? current_call.plugin : "plugin";
    if (severity <= CORRAL_LOG_INFO)
      LOG(INFO) << plugin << ": " << line;
    else if (severity == CORRAL_LOG_WARNING)
      LOG(WARNING) << plugin << ": " << line;
    else
      LOG(ERROR) << plugin << ": " << line;
  } catch (...) {
    return CORRAL_NO_SPACE;
  }
  return CORRAL_OK;
}

const void* get_service(const corral_host*, const char*) noexcept { return nullptr; }

// Bytes of the UTF-8 character that begins at `at`; 0 if none does.
size_t character_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(at);
  const size_t length = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
  if (length == 0 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(at + i) & 0xc0) != 0x80) return 0;
  // No over-long forms, surrogates or numbers beyond U+10FFFF.
  if (first == 0xe0 && byte(at + 1) < 0xa0) return 0;
  if (first == 0xed && byte(at + 1) > 0x9f) return 0;
  if (first == 0xf0 && byte(at + 1) < 0x90) return 0;
  if (first == 0xf4 && byte(at + 1) > 0x8f) return 0;
  return length;
}

// Uses only functions that a signal handler may call.
void say(const char* text) noexcept {
  if (!text) return;
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, text, std::strlen(text));
}

void say_crash(const char* how) noexcept {
  say("error: plugin ");
  say(current_call.plugin);
  if (current_call.interface && *current_call.interface) {
    say(", interface ");
    say(current_call.interface);
  }
  say(", function ");
  say(current_call.function);
  say(": ");
  say(how);
  say("\n");
}

// Finds the file that is mapped at an address, in the system's list. Returns false if there is none.
bool mapped_file(uintptr_t address, char* path, size_t size) {
  const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
  if (maps < 0) return false;
  uintptr_t begin = 0, end = 0, *number = &begin;
  size_t column = 0, length = 0;
  char buffer[512];
  bool found = false;
  for (ssize_t n; !found && (n = read(maps, buffer, sizeof buffer)) > 0;)
    for (ssize_t i = 0; !found && i < n; ++i) {
      const char c = buffer[i];
      if (c == '\n') {
        found = length > 0 && begin <= address && address < end;
        if (!found) begin = end = column = length = 0, number = &begin;
      } else if (length > 0 || (column > 1 && c == '/')) {
        if (length + 1 < size) path[length++] = c;
      } else if (c == ' ') {
        ++column;
      } else if (column == 0 && c == '-') {
        number = &end;
      } else if (column == 0) {
        *number = *number * 16 + static_cast<uintptr_t>(c <= '9' ? c - '0' : c - 'a' + 10);
      }
    }
  close(maps);
  path[length] = 0;
  return found;
}

// The bytes of a mapped file are gone; the code that reads them is not at fault.
void say_lost_file(const char* path) noexcept {
  say("error: ");
  say(path);
  say(": its bytes cannot be read any more: it was shortened while it was read, or its disk fails\n");
}

void on_signal(int number, siginfo_t* info, void*) {
  char path[PATH_MAX + 32];
  if (number == SIGBUS && info->si_code == BUS_ADRERR && mapped_file(reinterpret_cast<uintptr_t>(info->si_addr), path, sizeof path)) {
    say_lost_file(path);
    _exit(3);
  }
  if (current_call.plugin) {
    say_crash(number == SIGABRT   ? "it aborted the process"
              : number == SIGBUS  ? "it crashed (SIGBUS)"
              : number == SIGSEGV ? "it crashed (SIGSEGV)"
              : number == SIGILL  ? "it crashed (SIGILL)"
                                  : "it crashed (SIGFPE)");
    _exit(4);
  }
  std::signal(number, SIG_DFL);
  std::raise(number);
}

}  // namespace

const corral_host& host_table() {
  static const corral_host table{
      CORRAL_SIZE(corral_host), CORRAL_ABI_MAJOR, CORRAL_ABI_MINOR, nullptr, set_error, log, get_service,
  };
  return table;
}

void clear_sentence() noexcept { sentence.clear(); }

std::string take_sentence() { return printable(std::exchange(sentence, {})); }

std::string printable(std::string_view bytes) {
  std::string out;
  out.reserve(bytes.size());
  for (size_t at = 0; at < bytes.size();) {
    const size_t length = character_length(bytes, at);
    if (length == 0) {
      out += "\xEF\xBF\xBD";
      ++at;
      continue;
    }
    const unsigned char c = static_cast<unsigned char>(bytes[at]);
    if (length == 1 && (c < 0x20 || c == 0x7f) && c != '\n' && c != '\t')
      out += ' ';
    else
      out += bytes.substr(at, length);
    at += length;
  }
  return out;
}

void die(const char* sentence) noexcept {
  say("error: ");
  say(sentence);
  if (current_call.plugin) {
    say(" (the latest call of this thread: plugin ");
    say(current_call.plugin);
    say(", function ");
    say(current_call.function);
    say(")");
  }
  say("\n");
  _exit(4);
}

void install_crash_line() {
  struct sigaction action {};
  action.sa_sigaction = on_signal;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  for (const int number : {SIGABRT, SIGBUS, SIGSEGV, SIGILL, SIGFPE}) sigaction(number, &action, nullptr);
}

}  // namespace corral
