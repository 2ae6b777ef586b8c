#include "bin/cli/model_source.h"

#include <cstdio>

#include "bin/cli/configuration.h"
#include "bin/cli/load_plugin.h"
#include "bin/cli/session_tensors.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"

namespace corral::cli {
namespace {

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

CheckpointFormat find_format(const Arguments& arguments, const std::string& path) {
  std::string reasons;
  std::shared_ptr<const Plugin> best;
  uint32_t confidence = 0;
  for (const std::string& name : plugin_names(arguments, "checkpoint")) {
    const auto plugin = load_plugin(arguments, "checkpoint", name);
    const Probe probe = CheckpointFormat(plugin).probe(path);
    reasons += "\n       " + name + ": " + probe.reason;
    if (probe.confidence > confidence) {
      confidence = probe.confidence;
      best = plugin;
    }
  }
  if (!best) fail("{}: no installed format knows this as a checkpoint{}", path, reasons);
  return CheckpointFormat(best);
}

// The plugin that --model names: llama32 of llama32/1b, or a path.
std::string wanted_model(const Arguments& arguments) {
  const std::string wanted = arguments.text("model");
  return is_family_and_size(wanted) ? wanted.substr(0, wanted.find('/')) : wanted;
}

void recognize(const Arguments& arguments, const std::string& wanted, ModelSource& source) {
  DialectConfig config;
  config.dialect = source.info.dialect;
  config.content = source.info.config;
  if (config.content.empty()) fail("{}: has tensors, but not the configuration that says of which model", source.path);
  uint32_t confidence = 0;
  std::string reason, refusal;
  for (const std::string& name : wanted.empty() ? plugin_names(arguments, "model") : std::vector{wanted}) {
    Recognition r;
    try {
      r = ModelHandle(load_plugin(arguments, "model", name)).recognize(config);
    } catch (const Unsupported&) {
      continue;  // another dialect
    } catch (const Error& e) {
      if (e.exit_code() != 2 || !wanted.empty()) throw Error(e.exit_code(), source.path + ": " + e.what());
      if (refusal.empty()) refusal = e.what();
      continue;
    }
    if (r.confidence <= confidence) continue;
    confidence = r.confidence;
    reason = r.reason;
    source.model_plugin = name;
    source.options = r.options;
  }
  if (source.model_plugin.empty())
    fail("{}: {}", source.path, refusal.empty() ? "no installed model plugin takes its configuration" : refusal);
  say(format("model: {} ({}), from {}", source.model_plugin, wanted.empty() ? reason + "; --model names another" : "as --model says",
             source.path));
}

}  // namespace

ModelSource open_model_folder(const Arguments& arguments, const std::string& folder, const std::string& model) {
  ModelSource source;
  source.path = folder;
  source.reader = std::make_shared<CheckpointReaderHandle>(find_format(arguments, source.path).open(source.path));
  source.info = source.reader->info();
  recognize(arguments, model, source);
  return source;
}

ModelSource open_model(const Arguments& arguments, const std::string& path) {
  return open_model_folder(arguments, checkpoint::locate_checkpoint(path, say).path, wanted_model(arguments));
}

void load_parameters(const ModelSource& source, const ModelHandle& model, const std::string& options, runtime::Session& session) {
  const WeightMap map = model.weight_map(options, source.info.dialect);
  SessionTensors parameters = parameters_of(session), masters = masters_of(session);
  checkpoint::load_model(*source.reader, map, parameters);
  if (!masters.tensors().empty()) checkpoint::load_model(*source.reader, map, masters);
}

}  // namespace corral::cli
