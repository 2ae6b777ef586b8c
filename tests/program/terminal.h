// A program at a pseudo-terminal: a test types and reads as a person would.
#pragma once

#include <gtest/gtest.h>
#include <poll.h>
#include <pty.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <string>

namespace corral {

class Terminal {
 public:
  // Starts a shell command; it may begin with settings of the environment.
  explicit Terminal(const std::string& words, unsigned short columns = 200) {
    winsize size{40, columns, 0, 0};
    child_ = forkpty(&master_, nullptr, nullptr, &size);
    if (child_ == 0) {
      execl("/bin/sh", "sh", "-c", ("exec env TERM=xterm " + words).c_str(), nullptr);
      _exit(127);
    }
  }
  ~Terminal() {
    if (child_ > 0) {
      kill(child_, SIGKILL);
      waitpid(child_, nullptr, 0);
    }
    close(master_);
  }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  void type(const std::string& keys) const { EXPECT_EQ(write(master_, keys.data(), keys.size()), static_cast<ssize_t>(keys.size())); }

  // Waits for `end`; returns the output up to and with it. The test fails where it does not come.
  std::string until(const std::string& end) {
    const auto last = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    size_t found;
    while ((found = seen_.find(end)) == std::string::npos && std::chrono::steady_clock::now() < last && more()) {
    }
    EXPECT_NE(found, std::string::npos) << "waited for: " << end << "\nthere was: " << seen_;
    const size_t cut = found == std::string::npos ? seen_.size() : found + end.size();
    const std::string shown = seen_.substr(0, cut);
    seen_.erase(0, cut);
    return shown;
  }
  // Waits until the program edits a line. Keys typed earlier would be echoed by the terminal too.
  void prompt() {
    until("> ");
    termios now{};
    for (int i = 0; i < 6000 && tcgetattr(master_, &now) == 0 && (now.c_lflag & ICANON) != 0; ++i) usleep(10'000);
    EXPECT_EQ(now.c_lflag & ICANON, 0u) << "no line is being edited";
  }
  // Waits for `bytes` more bytes of output and drops them.
  void some(size_t bytes) {
    while (seen_.size() < bytes && more()) {
    }
    EXPECT_GE(seen_.size(), bytes) << seen_;
    seen_.erase(0, bytes);
  }
  // The remaining output and the exit code, or -1 after a signal.
  std::pair<std::string, int> end() {
    while (more()) {
    }
    int status = 0;
    waitpid(child_, &status, 0);
    child_ = -1;
    return {seen_, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
  }

 private:
  bool more() {
    pollfd waiting{master_, POLLIN, 0};
    char bytes[4096];
    if (poll(&waiting, 1, 60'000) <= 0) return false;
    const ssize_t n = read(master_, bytes, sizeof bytes);
    if (n <= 0) return false;
    seen_.append(bytes, static_cast<size_t>(n));
    return true;
  }

  int master_ = -1;
  pid_t child_ = -1;
  std::string seen_;
};

}  // namespace corral
