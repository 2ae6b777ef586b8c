// Host side of corral.tracker/1: an open tracker.
#pragma once

#include "kernel/plugin/instance.h"
#include "plugin.wire.h"

namespace corral {

class TrackerHandle {
 public:
  static TrackerHandle open(std::shared_ptr<const Plugin> plugin, const TrackerOpen& request) {
    const std::string bytes = request.encode();
    corral_tracker_instance* instance = nullptr;
    invoke_control(*plugin, &corral_tracker::open, "open", bytes.data(), bytes.size(), &instance);
    return TrackerHandle(std::move(plugin), instance);
  }
  void log(const Metrics& metrics) const {
    const std::string bytes = metrics.encode();
    invoke_control(plugin(), &corral_tracker::log, "log", instance_.get(), bytes.data(), bytes.size());
  }
  // Flushes. Throws the plugin's error.
  void close() { instance_.close(); }
  const Plugin& plugin() const { return instance_.plugin(); }

 private:
  TrackerHandle(std::shared_ptr<const Plugin> plugin, corral_tracker_instance* instance)
      : instance_(std::move(plugin), instance, &corral_tracker::close, "close", "open") {}
  Instance<corral_tracker_instance, corral_tracker> instance_;
};

}  // namespace corral
