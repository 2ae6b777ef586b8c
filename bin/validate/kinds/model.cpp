#include "kernel/plugin/model.h"

#include "bin/validate/check.h"
#include "corral/error.h"
#include "kernel/checkpoint/tensor_io.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/graph/verify.h"

namespace corral::validate {
namespace {
using checkpoint::parameters_of;

constexpr int64_t kRows = 2, kLength = 16;

Outcome emits(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const ModelHandle model(plugin);
  const Graph g = model.emit(s.options(), kRows, kLength);
  graph::verify(g);
  for (const char* name : {"tokens", "targets"}) {
    const TensorId input = find_port(g, g.inputs, name);
    if (!input || g.tensors[input].shape != Shape{kRows, kLength})
      return failed(format("its graph has no input {} of {} x {}", name, kRows, kLength));
  }
  const TensorId losses = find_port(g, g.outputs, "losses");
  if (!losses || g.tensors[losses].shape != Shape{kRows, kLength})
    return failed(format("its graph has no output losses of {} x {}", kRows, kLength));
  if (g.encode() != model.emit(s.options(), kRows, kLength).encode()) return failed("the second graph differs from the first");
  const Graph other = model.emit(s.options(), 1, 1);
  graph::verify(other);
  if (parameters_of(other).size() != parameters_of(g).size()) return failed("its parameters depend on the size of the batch");
  return pass(format("{} nodes, {} parameters", g.nodes.size(), parameters_of(g).size()));
}

Outcome weight_maps_cover(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const ModelHandle model(plugin);
  const auto parameters = parameters_of(model.emit(s.options(), 1, 2));
  std::string dialects;
  for (const char* dialect : std::initializer_list<const char*> CORRAL_DIALECTS) {
    try {
      checkpoint::check_weight_map(model.weight_map(s.options(), dialect), parameters);
      dialects += std::string(dialects.empty() ? "" : ", ") + dialect;
    } catch (const Unsupported&) {
      continue;
    } catch (const Error& e) {
      // An unknown dialect must be refused by name.
      if (e.exit_code() != 2 || std::string(e.what()).find(dialect) == std::string::npos) throw;
    }
  }
  if (dialects.empty()) return failed("it has a weight map of no dialect");
  return pass(dialects);
}

Outcome knows_its_own_configuration(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const ModelHandle model(plugin);
  ConfigRequest request;
  request.dialect = "hf";
  request.options = s.options();
  request.dtype = "float32";
  request.eos_token_ids = {2};
  DialectConfig config;
  config.dialect = "hf";
  config.content = model.write_config(request);
  const Recognition again = model.recognize(config);
  if (again.confidence == 0) return failed("it does not recognize a configuration that it wrote: " + again.reason);
  request.options = again.options;
  if (model.write_config(request) != config.content) return failed("a configuration that it read and wrote again differs");
  config.content = "{\"model_type\": \"of nobody\"}";
  try {
    if (model.recognize(config).confidence != 0) return failed("it recognizes a configuration of model_type \"of nobody\" as its own");
  } catch (const Error& e) {
    if (e.exit_code() != 2) throw;
  }
  return pass();
}

void exercise(const Subject& s, const std::shared_ptr<const Plugin>& plugin) {
  const ModelHandle model(plugin);
  const Graph g = model.emit(s.options(), 1, 4);
  graph::verify(g);
  checkpoint::check_weight_map(model.weight_map(s.options(), "hf"), parameters_of(g));
  ConfigRequest request;
  request.dialect = "hf";
  request.options = s.options();
  request.dtype = "float32";
  DialectConfig config;
  config.dialect = "hf";
  config.content = model.write_config(request);
  model.recognize(config);
}

constexpr Check kChecks[] = {
    {"model.emit", "it emits a graph that can run, with the inputs and the output of its contract", with_plugin<emits>},
    {"model.weight-map", "its weight maps cover every element of every parameter once", with_plugin<weight_maps_cover>},
    {"model.config", "it recognizes the configuration that it writes, and no foreign one", with_plugin<knows_its_own_configuration>},
};

}  // namespace

extern const Kind kind_model;
const Kind kind_model{"model", CORRAL_MODEL_ID, CORRAL_SIZE(corral_model), exercise, kChecks};

}  // namespace corral::validate
