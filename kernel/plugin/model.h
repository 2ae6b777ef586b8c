// Host side of corral.model/1. `options` are always the encoded Options of the plugin.
#pragma once

#include "graph.wire.h"
#include "kernel/plugin/call.h"
#include "plugin.wire.h"

namespace corral {

class ModelHandle {
 public:
  explicit ModelHandle(std::shared_ptr<const Plugin> plugin) : plugin_(std::move(plugin)) {}

  // The forward graph of `batch` sequences of `seq_length` tokens.
  Graph emit(const std::string& options, int64_t batch, int64_t seq_length) const {
    ModelRequest request;
    request.options = options;
    request.batch = batch;
    request.seq_length = seq_length;
    return decode_reply<Graph>(*plugin_, "emit", call(*plugin_, &corral_model::emit, "emit", request.encode()));
  }
  Recognition recognize(const DialectConfig& config) const {
    return decode_reply<Recognition>(*plugin_, "recognize", call(*plugin_, &corral_model::recognize, "recognize", config.encode()));
  }
  // Throws Unsupported if the plugin does not state it.
  ConfigReport explain_config(const DialectConfig& config) const {
    return decode_reply<ConfigReport>(*plugin_, "explain_config",
                                      call(*plugin_, &corral_model::explain_config, "explain_config", config.encode()));
  }
  // The bytes of the configuration file.
  std::string write_config(const ConfigRequest& request) const {
    return call(*plugin_, &corral_model::write_config, "write_config", request.encode());
  }
  // `present` lists the weights of a checkpoint that is read; empty if one is written.
  WeightMap weight_map(const std::string& options, const std::string& dialect, std::vector<TensorInfo> present = {}) const {
    WeightMapRequest request;
    request.present = std::move(present);
    request.options = options;
    request.dialect = dialect;
    return decode_reply<WeightMap>(*plugin_, "weight_map", call(*plugin_, &corral_model::weight_map, "weight_map", request.encode()));
  }
  const Plugin& plugin() const { return *plugin_; }

 private:
  std::shared_ptr<const Plugin> plugin_;
};

}  // namespace corral
