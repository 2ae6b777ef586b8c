// Host side of corral.parallel/1.
#pragma once

#include "kernel/plugin/call.h"
#include "plugin.wire.h"

namespace corral {

class ParallelHandle {
 public:
  explicit ParallelHandle(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  // The cuts of the plugin; empty if it states none.
  Placement place(const ParallelRequest& request) const {
    try {
      return decode_reply<Placement>(*plugin_, "place", call(*plugin_, &corral_parallel::place, "place", request.encode()));
    } catch (const Unsupported&) {
      return {};
    }
  }
  // The rewritten graph; the request's own if the plugin rewrites nothing.
  Graph lower(ParallelRequest request) const {
    try {
      return decode_reply<Graph>(*plugin_, "lower", call(*plugin_, &corral_parallel::lower, "lower", request.encode()));
    } catch (const Unsupported&) {
      return std::move(request.graph);
    }
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
