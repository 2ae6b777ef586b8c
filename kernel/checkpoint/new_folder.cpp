#include "kernel/checkpoint/new_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::checkpoint {
namespace {
namespace fs = std::filesystem;

// Resolves links and removes a trailing slash, so that a folder beside it is on the same disk.
fs::path real_path(const std::string& path) {
  std::error_code error;
  fs::path whole = fs::weakly_canonical(fs::absolute(path), error);  // a name that does not exist yet would stay relative
  if (error || whole.empty()) whole = fs::absolute(path).lexically_normal();
  return whole.has_filename() ? whole : whole.parent_path();
}

void require_space(const fs::path& parent, const fs::path& path, uint64_t bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(parent, error);
  if (!error && space.available < bytes)
    throw NoSpace(
        format("cannot write {}: it needs {}, but its disk has only {} free", path.string(), size_text(bytes), size_text(space.available)));
}

// Locks a folder that this process writes. The lock ends with the process.
class Locked {
 public:
  explicit Locked(const fs::path& folder) : file_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    // A file system without locks is accepted.
    taken_ = file_ >= 0 && ::flock(file_, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
  }
  ~Locked() {
    if (file_ >= 0) ::close(file_);
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;
  bool by_another() const { return taken_; }

 private:
  int file_;
  bool taken_ = false;
};

void remove_leftover(const fs::path& partial, const Say& say) {
  std::error_code error;
  if (!fs::exists(fs::symlink_status(partial, error))) return;
  const Locked lock(partial);
  if (lock.by_another()) fail_environment("{}: another process is writing it: wait for its end, or name another folder", partial.string());
  const uint64_t bytes = bytes_below(partial);
  fs::remove_all(partial, error);
  if (error) fail_io("remove", partial, error.value());
  if (say) say(format("removed {} ({}), left by a process that was killed", partial.string(), size_text(bytes)));
}

}  // namespace

void require_new_folder(const std::string& path) {
  std::error_code error;
  if (path.empty()) fail("the name of the folder to write is empty");
  if (!fs::exists(path, error)) return;
  if (!fs::is_directory(path, error)) fail("{} is a file: name a new folder", path);
  if (!fs::is_empty(path, error) || error) fail("{} is not empty: name a new folder", path);
}

void make_folder(const std::string& path, uint64_t bytes, const Say& say, const std::function<void(const std::string&)>& write) {
  require_new_folder(path);
  const fs::path whole = real_path(path), partial = whole.string() + ".partial";
  std::error_code error;
  fs::create_directories(whole.parent_path(), error);
  if (error) fail_io("make", whole.parent_path(), error.value());
  remove_leftover(partial, say);
  require_space(whole.parent_path(), path, bytes);
  if (!fs::create_directory(partial, error)) fail_io("make", partial, error.value());
  const Locked lock(partial);
  const auto removed = [&] {
    const uint64_t written = bytes_below(partial);
    fs::remove_all(partial, error);
    return error ? format("could not remove {}: {}", partial.string(), error.message())
                 : format("nothing is left of it (removed {})", size_text(written));
  };
  try {
    write(partial.string());
    sync_below(partial);
    if (::rename(partial.c_str(), whole.c_str()) != 0) fail_io("rename", partial, errno);
    sync_folder(whole.parent_path());
  } catch (const NoSpace& e) {
    throw NoSpace(format("{}\n       {}", e.what(), removed()));
  } catch (...) {
    removed();
    throw;
  }
}

}  // namespace corral::checkpoint
