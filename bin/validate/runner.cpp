#include "bin/validate/runner.h"

#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <vector>

#include "corral/error.h"
#include "kernel/plugin/call.h"
#include "kernel/plugin/host.h"

namespace corral::validate {
namespace {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

Outcome outcome_of(const Check& check, const Subject& subject) {
  enforce_lifetimes = true;
  try {
    return check.run(subject);
  } catch (const std::exception& e) {
    return failed(e.what());
  } catch (...) {
    return failed("an exception of unknown type");
  }
}

void write_all(int file, const std::string& bytes) {
  for (size_t at = 0; at < bytes.size();) {
    const ssize_t n = write(file, bytes.data() + at, bytes.size() - at);
    if (n <= 0) return;
    at += static_cast<size_t>(n);
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) lines.push_back(printable(line).substr(0, 300));
  return lines;
}

// Describes how a check ended: the host's line about a crash, if any, and the last lines that the check wrote on standard error. They
// include the message of an assertion.
std::string how_it_ended(int status, const std::string& said) {
  constexpr size_t kShown = 4;
  std::vector<std::string> lines = lines_of(said);
  std::string reason;
  if (!lines.empty() && lines.back().starts_with("error: ")) {
    reason = lines.back().substr(7);
    lines.pop_back();
  } else if (WIFSIGNALED(status)) {
    reason = std::string("the process died (") + strsignal(WTERMSIG(status)) + ")";
  } else {
    reason = "the process ended by itself with code " + std::to_string(WEXITSTATUS(status));
  }
  for (size_t i = lines.size() - std::min(lines.size(), kShown); i < lines.size(); ++i) reason += "\n      it wrote: " + lines[i];
  return reason;
}

struct Pipe {
  int read_end = -1, write_end = -1;
  Pipe() {
    int ends[2];
    if (pipe(ends) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    read_end = ends[0];
    write_end = ends[1];
  }
  ~Pipe() {
    close(read_end);
    close_write();
  }
  void close_write() {
    if (write_end >= 0) close(write_end);
    write_end = -1;
  }
};

// Reads both pipes to their ends; false if the time ran out.
bool read_until(Pipe& result, std::string& outcome, Pipe& error, std::string& said, Clock::time_point end) {
  pollfd files[] = {{result.read_end, POLLIN, 0}, {error.read_end, POLLIN, 0}};
  std::string* const texts[] = {&outcome, &said};
  while (files[0].fd >= 0 || files[1].fd >= 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(files, 2, static_cast<int>(std::min<long long>(left, 1000))) < 0 && errno != EINTR) return false;
    for (int i = 0; i < 2; ++i) {
      if (files[i].fd < 0 || !(files[i].revents & (POLLIN | POLLHUP | POLLERR))) continue;
      char bytes[4096];
      const ssize_t n = read(files[i].fd, bytes, sizeof bytes);
      if (n > 0)
        texts[i]->append(bytes, static_cast<size_t>(n));
      else
        files[i].fd = -1;
    }
  }
  return true;
}

Outcome in_child(const Check& check, const Subject& subject, double seconds) {
  Pipe result, error;
  const pid_t child = fork();
  if (child < 0) throw std::system_error(errno, std::generic_category(), "fork");
  if (child == 0) {
    setpgid(0, 0);
    dup2(error.write_end, STDERR_FILENO);
    install_crash_line();
    const Outcome outcome = outcome_of(check, subject);
    write_all(result.write_end, std::string(1, static_cast<char>('0' + outcome.status)) + outcome.reason);
    _exit(0);
  }
  result.close_write();
  error.close_write();
  std::string outcome, said;
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  const bool ended = read_until(result, outcome, error, said, end);
  if (!ended) kill(-child, SIGKILL), kill(child, SIGKILL);
  int status = 0;
  waitpid(child, &status, 0);
  if (!ended) return failed(format("it did not end within {} seconds", seconds));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0 || outcome.empty()) return failed(how_it_ended(status, said));
  return {static_cast<Outcome::Status>(outcome[0] - '0'), outcome.substr(1)};
}

}  // namespace

Result run(const Check& check, Subject subject, const RunOptions& options) {
  std::string folder = (fs::temp_directory_path() / "corral-validate-XXXXXX").string();
  if (!mkdtemp(folder.data())) throw std::system_error(errno, std::generic_category(), folder);
  subject.scratch = folder;
  const auto begin = Clock::now();
  Result result{&check, {}, 0};
  result.outcome = options.in_process ? outcome_of(check, subject) : in_child(check, subject, options.seconds);
  result.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
  std::error_code ignored;
  fs::remove_all(folder, ignored);
  return result;
}

}  // namespace corral::validate
