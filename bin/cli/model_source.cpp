#include "bin/cli/model_source.h"

#include <cstdio>
#include <filesystem>

#include "bin/cli/load_plugin.h"
#include "bin/cli/session_tensors.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;

void say(const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); }

// A run directory stands for its newest whole checkpoint.
std::string checkpoint_folder(const std::string& path) {
  std::error_code error;
  const fs::path inner = fs::path(path) / "checkpoints";
  if (!fs::is_directory(inner, error)) return path;
  const auto found = checkpoint::newest_verified(inner, say);
  if (!found) fail("{}: this run has no whole checkpoint", path);
  return found->path;
}

CheckpointFormat find_format(const Arguments& arguments, const std::string& path) {
  std::error_code error;
  if (!fs::exists(path, error)) fail("{}: no such file or folder", path);
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

void recognize(const Arguments& arguments, const std::string& wanted, ModelSource& source) {
  DialectConfig config;
  config.dialect = source.info.dialect;
  config.content = source.info.config;
  uint32_t confidence = 0;
  std::string reason;
  for (const std::string& name : wanted.empty() ? plugin_names(arguments, "model") : std::vector{wanted}) {
    const Recognition r = ModelHandle(load_plugin(arguments, "model", name)).recognize(config);
    if (r.confidence <= confidence) continue;
    confidence = r.confidence;
    reason = r.reason;
    source.model_plugin = name;
    source.options = r.options;
  }
  if (source.model_plugin.empty()) fail("{}: no installed model plugin takes its configuration", source.path);
  say(format("model: {} ({}), from {}", source.model_plugin, wanted.empty() ? reason : "as --model says", source.path));
}

}  // namespace

ModelSource open_model(const Arguments& arguments, const std::string& path, const std::string& model) {
  ModelSource source;
  source.path = checkpoint_folder(path);
  source.reader = std::make_shared<CheckpointReaderHandle>(find_format(arguments, source.path).open(source.path));
  source.info = source.reader->info();
  recognize(arguments, model, source);
  return source;
}

void load_parameters(const ModelSource& source, const ModelHandle& model, const std::string& options, runtime::Session& session) {
  const WeightMap map = model.weight_map(options, source.info.dialect);
  SessionTensors parameters = parameters_of(session), masters = masters_of(session);
  checkpoint::load_model(*source.reader, map, parameters);
  if (!masters.tensors().empty()) checkpoint::load_model(*source.reader, map, masters);
}

}  // namespace corral::cli
