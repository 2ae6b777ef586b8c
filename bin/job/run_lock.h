// RUN/.lock: only one living process at a time writes a run's directory.
#pragma once

#include <functional>
#include <string>

namespace corral::job {

// Locks the file with flock and writes pid, host and start into it. The system releases the lock when the process ends, however it ends.
// The destructor removes the file; a file without a lock was left by a killed process.
class RunLock {
 public:
  // `dir` exists. Says so if the lock of a dead process is taken over. Throws Error (3) if a living process has the lock, naming its pid,
  // host and start, or if the file cannot be made.
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
