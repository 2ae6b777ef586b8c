// A run's directory: config.textproto, metrics.jsonl, log.txt, checkpoints/.
#pragma once

#include <cstdio>
#include <memory>
#include <string>

#include "bin/job/host.h"
#include "kernel/config/run_config.h"

namespace corral::job {

// run.dir, else $SAVE_DIR/NAME, else runs/NAME.
std::string run_directory(const config::RunConfig& config);

// Says the lines of a run and stores them in log.txt.
class RunLog {
 public:
  explicit RunLog(const Host& host) : host_(host) {}
  // Opens the file of the lines, and writes the lines said so far.
  void open(const std::string& path);
  void say(const std::string& line);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  const Host& host_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string before_;  // lines that were said without a file
};

// Contents of state/progress.json in a checkpoint.
struct Progress {
  uint64_t step = 0, rows = 0;
};
void write_progress(const std::string& folder, const Progress& progress);
Progress read_progress(const std::string& folder);

}  // namespace corral::job
