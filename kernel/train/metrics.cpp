#include "kernel/train/metrics.h"

#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>

#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::train {
namespace {

// The step of a row, or -1 for a line that a killed run left unfinished.
int64_t step_of(const std::string& line) {
  long long step = -1;
  return line.ends_with("}") && std::sscanf(line.c_str(), "{\"step\": %lld", &step) == 1 ? step : -1;
}

}  // namespace

MetricsFile::MetricsFile(const std::string& path, uint64_t last_step) {
  std::string kept;
  {
    std::ifstream old(path);
    for (std::string line; std::getline(old, line);)
      if (const int64_t step = step_of(line); step >= 0 && static_cast<uint64_t>(step) <= last_step) kept += line + "\n";
  }
  // A kill leaves either the old rows or the new ones.
  checkpoint::replace_synced(path, kept);
  file_.reset(std::fopen(path.c_str(), "a"));
  if (!file_) fail_environment("cannot write {}: {}", path, std::strerror(errno));
}

void MetricsFile::write(uint64_t step, std::initializer_list<std::pair<const char*, double>> values) {
  std::fprintf(file_.get(), "{\"step\": %llu", static_cast<unsigned long long>(step));
  for (const auto& [name, value] : values) {
    if (std::isfinite(value))
      std::fprintf(file_.get(), ", \"%s\": %.17g", name, value);
    else
      std::fprintf(file_.get(), ", \"%s\": null", name);
  }
  std::fputs("}\n", file_.get());
  if (std::fflush(file_.get()) != 0) fail_environment("cannot write metrics: {}", std::strerror(errno));
}

}  // namespace corral::train
