// Host side of corral.precision/1.
#pragma once

#include "graph.wire.h"
#include "kernel/plugin/call.h"
#include "plugin.wire.h"

namespace corral {

class PrecisionHandle {
 public:
  explicit PrecisionHandle(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  Graph transform(Graph graph, const std::string& options) const {
    PassRequest request;
    request.options = options;
    request.graph = std::move(graph);
    return decode_reply<Graph>(*plugin_, "transform", call(*plugin_, &corral_precision::transform, "transform", request.encode()));
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
