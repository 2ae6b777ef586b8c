// A run's directory: config.textproto, metrics.jsonl, log.txt, checkpoints/.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "kernel/config/run_config.h"

namespace corral::cli {

// run.dir, else $SAVE_DIR/NAME, else runs/NAME.
std::string run_directory(const config::RunConfig& config);

// What the terminal shows, and log.txt keeps.
class RunLog {
 public:
  // The file that keeps the lines, those said before too.
  void open(const std::string& path);
  void say(std::string_view line);
  // Replaced by the next line; not kept.
  void live(std::string_view line);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> file_;
  std::string before_;  // lines that were said without a file
  size_t live_ = 0;
};

// state/progress.json of a checkpoint.
struct Progress {
  uint64_t step = 0, rows = 0;
};
void write_progress(const std::string& folder, const Progress& progress);
Progress read_progress(const std::string& folder);

}  // namespace corral::cli
