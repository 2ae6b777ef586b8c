// metrics.jsonl: one object per line, numbers with 17 significant digits.
#pragma once

#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <memory>
#include <string>
#include <utility>

namespace corral::train {

class MetricsFile {
 public:
  // Opens the file for appending. Lines of steps after `last_step` are dropped first: a resumed run writes them again.
  MetricsFile(const std::string& path, uint64_t last_step);
  // Writes {"step": 7, "loss": 2.5, ...} and flushes.
  void write(uint64_t step, std::initializer_list<std::pair<const char*, double>> values);

 private:
  struct Close {
    void operator()(std::FILE* f) const { std::fclose(f); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

}  // namespace corral::train
