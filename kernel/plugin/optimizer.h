// Host side of corral.optimizer/1.
#pragma once

#include "graph.wire.h"
#include "kernel/plugin/call.h"
#include "plugin.wire.h"

namespace corral {

class OptimizerHandle {
 public:
  explicit OptimizerHandle(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  Graph transform(Graph graph, const std::string& options) const {
    PassRequest request;
    request.options = options;
    request.graph = std::move(graph);
    return decode_reply<Graph>(*plugin_, "transform", call(*plugin_, &corral_optimizer::transform, "transform", request.encode()));
  }
  // Values of the inputs that the transform added, for the step after `step` finished ones.
  StepValues step_values(const std::string& options, uint64_t step, uint64_t train_iters) const {
    return decode_reply<StepValues>(*plugin_, "step_values",
                                    call(*plugin_, &corral_optimizer::step_values, "step_values", request_of(options, step, train_iters)));
  }
  // Throws if the options contradict each other.
  void check(const std::string& options, uint64_t train_iters) const {
    call(*plugin_, &corral_optimizer::check, "check", request_of(options, 0, train_iters));
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  static std::string request_of(const std::string& options, uint64_t step, uint64_t train_iters) {
    StepRequest request;
    request.options = options;
    request.step = step;
    request.train_iters = train_iters;
    return request.encode();
  }

  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
