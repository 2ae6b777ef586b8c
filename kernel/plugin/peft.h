// Host side of corral.peft/1. `options` are always the encoded Options of the plugin; graphs are the model's forward pass as it emits it.
#pragma once

#include "graph.wire.h"
#include "kernel/plugin/call.h"
#include "plugin.wire.h"

namespace corral {

class PeftHandle {
 public:
  explicit PeftHandle(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  // `deterministic`: without dropout.
  Graph transform(Graph graph, const std::string& options, bool deterministic) const {
    return decode_reply<Graph>(*plugin_, "transform",
                               call(*plugin_, &corral_peft::transform, "transform", pass(std::move(graph), options, deterministic)));
  }
  Graph initialize(Graph graph, const std::string& options) const {
    return decode_reply<Graph>(*plugin_, "initialize",
                               call(*plugin_, &corral_peft::initialize, "initialize", pass(std::move(graph), options, true)));
  }
  // Each output is a merged parameter.
  Graph merge(Graph graph, const std::string& options) const {
    return decode_reply<Graph>(*plugin_, "merge", call(*plugin_, &corral_peft::merge, "merge", about(std::move(graph), options, "", "")));
  }
  // The weight map of the trained parameters. `model_map` is the model's own in this dialect. `config` is the configuration of an adapter
  // that is read; empty if one is written.
  WeightMap weight_map(Graph graph, const std::string& options, const std::string& dialect, WeightMap model_map,
                       const std::string& config = "") const {
    PeftRequest request;
    request.options = options;
    request.graph = std::move(graph);
    request.dialect = dialect;
    request.model_map = std::move(model_map);
    request.config = config;
    return decode_reply<WeightMap>(*plugin_, "weight_map", call(*plugin_, &corral_peft::weight_map, "weight_map", request.encode()));
  }
  Recognition recognize(const DialectConfig& config) const {
    return decode_reply<Recognition>(*plugin_, "recognize", call(*plugin_, &corral_peft::recognize, "recognize", config.encode()));
  }
  // The bytes of the adapter's configuration file; `base` is where the model's weights are.
  std::string write_config(Graph graph, const std::string& options, const std::string& dialect, const std::string& base) const {
    return call(*plugin_, &corral_peft::write_config, "write_config", about(std::move(graph), options, dialect, base));
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  static std::string pass(Graph graph, const std::string& options, bool deterministic) {
    PassRequest request;
    request.options = options;
    request.graph = std::move(graph);
    request.deterministic = deterministic;
    return request.encode();
  }
  static std::string about(Graph graph, const std::string& options, const std::string& dialect, const std::string& base) {
    PeftRequest request;
    request.options = options;
    request.graph = std::move(graph);
    request.dialect = dialect;
    request.base = base;
    return request.encode();
  }

  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
