#include "bin/cli/model_source.h"

#include <cstdio>
#include <filesystem>

#include "bin/cli/configuration.h"
#include "bin/cli/load_plugin.h"
#include "bin/cli/session_tensors.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/weight_map.h"

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

ModelSource open_model_folder(const Arguments& arguments, const std::string& folder, const std::string& model, const std::string& base,
                              const std::string& peft) {
  ModelSource source;
  source.path = folder;
  source.reader = std::make_shared<CheckpointReaderHandle>(find_format(arguments, source.path).open(source.path));
  source.info = source.reader->info();
  if (source.info.kind != "adapter") {
    recognize(arguments, model, source);
    return source;
  }
  AdapterSource adapter = adapter_of(arguments, folder, source.reader, std::move(source.info), peft);
  const std::string& path = base.empty() ? adapter.base : base;
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error))
    fail("{} is an adapter for {}, which is not there: name the model, and the adapter with --adapter {}", folder,
         path.empty() ? "a model that it does not name" : path, folder);
  source = open_model_folder(arguments, checkpoint::locate_checkpoint(path, say).path, model);
  if (source.adapter) fail("{} is an adapter for {}, which is an adapter itself: merge that first", folder, path);
  check_base(adapter, *source.reader, source.path);
  source.adapter = std::move(adapter);
  return source;
}

ModelSource open_model(const Arguments& arguments, const std::string& path) {
  ModelSource source = open_model_folder(arguments, checkpoint::locate_checkpoint(path, say).path, wanted_model(arguments));
  const std::string adapter = arguments.text("adapter");
  if (adapter.empty()) return source;
  if (source.adapter) fail("--adapter {}: {} is an adapter already; name the model that both are for", adapter, path);
  const std::string folder = checkpoint::locate_checkpoint(adapter, say).path;
  auto reader = std::make_shared<CheckpointReaderHandle>(find_format(arguments, folder).open(folder));
  CheckpointInfo info = reader->info();
  if (info.kind != "adapter") fail("--adapter {}: this is no adapter's folder", adapter);
  source.adapter = adapter_of(arguments, folder, std::move(reader), std::move(info));
  check_base(*source.adapter, *source.reader, source.path);
  return source;
}

void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session) {
  const WeightMap map = pipeline.model().handle.weight_map(pipeline.model().options, source.info.dialect);
  const auto names = checkpoint::parameters_in(map);
  SessionTensors parameters = parameters_of(session, names), masters = masters_of(session, names);
  checkpoint::load_model(*source.reader, map, parameters);
  if (!masters.tensors().empty()) checkpoint::load_part(*source.reader, map, masters);
  if (source.adapter) load_adapter(*source.adapter, pipeline, session);
}

}  // namespace corral::cli
