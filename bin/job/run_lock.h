// RUN/.lock: one living process at a time writes a run's directory.
#pragma once

#include <functional>
#include <string>

namespace corral::job {

// Holds the file under flock, with pid, host and start in it; the system releases it when the process ends, however it ends. The file is
// removed at the end; a file that is found without a lock on it was left by a process that was killed.
class RunLock {
 public:
  // `dir` exists. Says so where the lock of a dead process is taken over. Throws Error (3) naming pid, host and start where a living one
  // holds it, or where the file cannot be made.
  RunLock(const std::string& dir, const std::function<void(const std::string& line)>& say);
  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&& other) noexcept;
  ~RunLock();
  const std::string& dir() const { return dir_; }

 private:
  void release();
  std::string dir_, path_;
  int file_ = -1;
};

}  // namespace corral::job
