// The trackers that a run's configuration names.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bin/job/host.h"
#include "kernel/config/run_config.h"
#include "kernel/plugin/tracker.h"

namespace corral::job {

class Trackers {
 public:
  // Loads the plugins and reads their options, so that wrong options are refused before any work.
  Trackers(const Host& host, const config::RunConfig& config);
  void open(const std::string& run_dir, const config::RunConfig& config);
  void track(uint64_t step, std::initializer_list<std::pair<const char*, double>> values) const;
  void close();

 private:
  std::vector<std::pair<std::shared_ptr<const Plugin>, std::string>> chosen_;  // plugin and its encoded options
  std::vector<TrackerHandle> opened_;
};

}  // namespace corral::job
