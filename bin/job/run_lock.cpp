#include "bin/job/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <ctime>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "corral/error.h"

namespace corral::job {
namespace {
constexpr size_t kLargest = 4096;

std::string host_name() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

std::string now() {
  const std::time_t time = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", std::gmtime(&time));
  return text;
}

std::string content_of(int file) {
  std::string text(kLargest, '\0');
  const ssize_t size = pread(file, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return text;
}

// Reads a lock that another process has. That process may not have written it yet.
std::string content_of_held(int file) {
  std::string content = content_of(file);
  for (int i = 0; i < 20 && content.empty(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    content = content_of(file);
  }
  return content;
}

// "pid 12 on node3, started 2026-11-30T22:00:00Z"
std::string holder_in(const std::string& content) {
  const auto json = nlohmann::json::parse(content, nullptr, false);
  const auto part = [&](const char* name) -> std::string {
    const auto found = json.is_object() ? json.find(name) : json.end();
    if (!json.is_object() || found == json.end()) return "unknown";
    return found->is_string() ? found->get<std::string>() : found->dump();
  };
  return format("pid {} on {}, started {}", part("pid"), part("host"), part("start"));
}

// True if the path still names the open file: the owner may have removed it before releasing the lock.
bool is_at(int file, const std::string& path) {
  struct stat mine {
  }, there{};
  return fstat(file, &mine) == 0 && stat(path.c_str(), &there) == 0 && mine.st_dev == there.st_dev && mine.st_ino == there.st_ino;
}

}  // namespace

RunLock::RunLock(const std::string& dir, const std::function<void(const std::string& line)>& say) : dir_(dir), path_(dir + "/.lock") {
  while (true) {
    file_ = ::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (file_ < 0) fail_environment("cannot make {}: {}", path_, std::strerror(errno));
    if (flock(file_, LOCK_EX | LOCK_NB) == 0) {
      if (is_at(file_, path_)) break;
    } else if (errno == EWOULDBLOCK) {
      const std::string holder = holder_in(content_of_held(file_));
      ::close(std::exchange(file_, -1));
      fail_environment("{} is in use by another process ({}): wait for its end, or name another --dir", dir, holder);
    } else if (errno != EINTR) {
      say(format("warning: {} cannot be locked ({}): a second process in this directory would overwrite the files of the first one", path_,
                 std::strerror(errno)));
      break;
    }
    ::close(std::exchange(file_, -1));
  }
  if (const std::string left = content_of(file_); !left.empty())
    say(format("taking over {}: its process has ended without removing it ({})", path_, holder_in(left)));
  const std::string content = nlohmann::ordered_json{{"pid", getpid()}, {"host", host_name()}, {"start", now()}}.dump() + "\n";
  if (ftruncate(file_, 0) != 0 || pwrite(file_, content.data(), content.size(), 0) != static_cast<ssize_t>(content.size())) {
    const int error = errno;
    release();
    fail_environment("cannot write {}: {}", path_, std::strerror(error));
  }
}

RunLock::RunLock(RunLock&& other) noexcept
    : dir_(std::move(other.dir_)), path_(std::move(other.path_)), file_(std::exchange(other.file_, -1)) {}

RunLock& RunLock::operator=(RunLock&& other) noexcept {
  std::swap(dir_, other.dir_);
  std::swap(path_, other.path_);
  std::swap(file_, other.file_);
  return *this;
}

RunLock::~RunLock() { release(); }

void RunLock::release() {
  if (file_ < 0) return;
  ::unlink(path_.c_str());
  ::close(std::exchange(file_, -1));
}

}  // namespace corral::job
