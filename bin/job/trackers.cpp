#include "bin/job/trackers.h"

#include <ctime>

#include "bin/job/host.h"

namespace corral::job {

Trackers::Trackers(const Host& host, const config::RunConfig& config) {
  for (const std::string& name : config.plugins("tracker")) {
    auto plugin = host.plugins.load("tracker", name);
    chosen_.emplace_back(std::move(plugin), config.options("tracker", name));
  }
}

void Trackers::open(const std::string& run_dir, const config::RunConfig& config) {
  TrackerOpen request;
  request.run_dir = run_dir;
  request.run_name = config.text("run.name");
  request.config = config.to_textproto();
  for (const auto& [plugin, options] : chosen_) {
    request.options = options;
    opened_.push_back(TrackerHandle::open(plugin, request));
  }
}

void Trackers::track(uint64_t step, std::initializer_list<std::pair<const char*, double>> values) const {
  if (opened_.empty()) return;
  Metrics metrics;
  metrics.step = step;
  metrics.wall_time = static_cast<double>(std::time(nullptr));
  for (const auto& [name, value] : values) {
    StepValue v;
    v.name = name;
    v.value = value;
    metrics.values.push_back(std::move(v));
  }
  for (const TrackerHandle& t : opened_) t.log(metrics);
}

void Trackers::close() {
  for (TrackerHandle& t : opened_) t.close();
}

}  // namespace corral::job
