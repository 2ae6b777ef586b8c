#include "bin/job/model_source.h"

#include <cstdio>
#include <filesystem>

#include "bin/hub/hub_cache.h"
#include "bin/job/configuration.h"
#include "bin/job/found_checkpoint.h"
#include "bin/job/load_plugin.h"
#include "bin/terminal/say.h"
#include "corral/error.h"
#include "kernel/checkpoint/fingerprint.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/stored_parameters.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/train/session_tensors.h"

namespace corral::cli {
namespace {

// The plugin that --model names: llama32 of llama32/1b, or a path.
std::string wanted_model(const Arguments& arguments) {
  const std::string wanted = arguments.text("model");
  return is_family_and_size(wanted) ? wanted.substr(0, wanted.find('/')) : wanted;
}

// The configuration and files of the folder that --hf-model names, where that is not the model's own.
std::optional<DialectConfig> described_by_flag(const Arguments& arguments, ModelSource& source) {
  std::string path = arguments.text("hf-model");
  std::error_code error;
  if (path.empty() || std::filesystem::equivalent(path, source.path, error)) return {};
  path = checkpoint::locate_checkpoint(local_path(path), say).path;
  if (std::filesystem::equivalent(path, source.path, error)) return {};
  const CheckpointReaderHandle reader = find_format(arguments, path, "hf").format.open(path);
  CheckpointInfo info = reader.info();
  if (info.kind == "adapter") return {};
  if (info.config.empty()) fail("--hf-model {}: it has no configuration", arguments.text("hf-model"));
  const DialectConfig config = own_config(info);
  source.info.files = std::move(info.files);
  source.info.files_folder = path;
  source.info.others = {config};
  return config;
}

void recognize(const Arguments& arguments, const std::string& wanted, const FoundFormat& found, ModelSource& source) {
  DialectConfig config = own_config(source.info);
  if (const auto described = described_by_flag(arguments, source))
    config = *described;
  else if (config.content.empty() && !source.info.others.empty())
    config = source.info.others[0];
  if (config.content.empty())
    fail("{}: has tensors, but not the configuration that says of which model: give the model's folder with --hf-model", source.path);
  FoundModel model;
  try {
    model = find_model(arguments, config, wanted);
  } catch (const Error& e) {
    throw Error(e.exit_code(), source.path + ": " + e.what());
  }
  if (model.plugin.empty())
    fail("{}: {}", source.path, model.refusal.empty() ? "no installed model plugin takes its configuration" : model.refusal);
  source.model_plugin = model.plugin;
  source.options = model.options;
  say(format("model: {} ({}), from {} ({}: {})", source.model_plugin,
             wanted.empty() ? model.reason + "; --model names another" : "as --model says", source.path, found.name, found.reason));
}

std::unique_ptr<checkpoint::StoredParameters> stored_parameters(const Arguments& arguments, const ModelSource& source) {
  const ModelHandle model(load_plugin(arguments, "model", source.model_plugin));
  return std::make_unique<checkpoint::StoredParameters>(*source.reader, weight_map_of(source, model, source.options),
                                                        checkpoint::parameters_of(model.emit(source.options, 1, 8)));
}

// Throws Error (2) where a fingerprint says that the adapter was trained beside another model.
void check_base(const Arguments& arguments, const AdapterSource& adapter, const ModelSource& base) {
  for (const NamedFile& f : adapter.info.files)
    if (f.name == checkpoint::kFingerprintName)
      checkpoint::check_fingerprint(f.content, stored_parameters(arguments, base)->tensors(), adapter.path, base.path);
}

ModelSource open_found(const Arguments& arguments, const FoundFormat& found, const std::string& folder, const std::string& model,
                       const std::string& base, const std::string& peft) {
  ModelSource source;
  source.path = folder;
  source.format = found.name;
  source.reader = std::make_shared<CheckpointReaderHandle>(found.format.open(source.path));
  source.info = source.reader->info();
  if (source.info.kind != "adapter") {
    recognize(arguments, model, found, source);
    return source;
  }
  AdapterSource adapter = adapter_of(arguments, folder, source.reader, std::move(source.info), peft);
  const std::string path = cached_path(base.empty() ? adapter.base : base);
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error))
    fail("{} is an adapter for {}, which is not there: name the model, and the adapter with --adapter {}", folder,
         path.empty() ? "a model that it does not name" : path, folder);
  source = open_model_folder(arguments, checkpoint::locate_checkpoint(path, say).path, model);
  if (source.adapter) fail("{} is an adapter for {}, which is an adapter itself: merge that first", folder, path);
  check_base(arguments, adapter, source);
  say_that_only_weights_are_taken(source);
  source.adapter = std::move(adapter);
  source.adapter->format = found.name;
  return source;
}

}  // namespace

ModelSource open_model_folder(const Arguments& arguments, const std::string& folder, const std::string& model, const std::string& base,
                              const std::string& peft) {
  return open_found(arguments, find_format(arguments, folder), folder, model, base, peft);
}

ModelPath model_path(const Arguments& arguments, const std::string& command) {
  ModelPath model;
  for (const auto& [flag, format] : {std::pair{"checkpoint", ""}, {"megatron-path", "megatron"}}) {
    if (!arguments.has(flag)) continue;
    if (!model.path.empty()) fail("--checkpoint and --megatron-path both name a model: use one");
    model = {arguments.text(flag), format, false};
  }
  if (model.path.empty()) model = {arguments.text("hf-model"), "hf", false};
  if (model.path.empty()) fail("{} needs a model: --checkpoint PATH", command);
  return model;
}

void say_that_only_weights_are_taken(const ModelSource& source) {
  size_t rest = 0;
  for (const TensorInfo& t : source.reader->list().tensors) rest += !t.part.empty();
  const std::string& refusal = source.info.optimizer_refusal;
  if (rest) say(format("only weights are taken: {} tensors of the optimizer stay behind{}", rest, refusal.empty() ? "" : "; " + refusal));
}

ModelSource open_model(const Arguments& arguments, const ModelPath& model) {
  const std::string located = checkpoint::locate_checkpoint(local_path(model.path), say).path;
  ModelSource source = open_found(arguments, find_format(arguments, located, model.format), located, wanted_model(arguments), "", "");
  if (!model.with_state && !source.adapter) say_that_only_weights_are_taken(source);
  const std::string adapter = arguments.text("adapter");
  if (adapter.empty()) return source;
  if (source.adapter) fail("--adapter {}: {} is an adapter already; name the model that both are for", adapter, model.path);
  const std::string folder = checkpoint::locate_checkpoint(adapter, say).path;
  auto reader = std::make_shared<CheckpointReaderHandle>(find_format(arguments, folder).format.open(folder));
  CheckpointInfo info = reader->info();
  if (info.kind != "adapter") fail("--adapter {}: this is no adapter's folder", adapter);
  source.adapter = adapter_of(arguments, folder, std::move(reader), std::move(info));
  check_base(arguments, *source.adapter, source);
  return source;
}

std::string fingerprint_of(const Arguments& arguments, const ModelSource& source) {
  return checkpoint::fingerprint(std::filesystem::absolute(source.path).lexically_normal().string(),
                                 stored_parameters(arguments, source)->tensors());
}

WeightMap weight_map_of(const ModelSource& source, const ModelHandle& model, const std::string& options) {
  return model.weight_map(options, source.info.dialect, checkpoint::weights_of(source.reader->list().tensors));
}

void load_parameters(const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session) {
  const WeightMap map = weight_map_of(source, pipeline.model().handle, pipeline.model().options);
  const auto names = checkpoint::parameters_in(map);
  train::SessionTensors parameters = train::parameters_of(session, names), masters = train::masters_of(session, names);
  checkpoint::load_model(*source.reader, map, parameters);
  if (!masters.tensors().empty()) checkpoint::load_part(*source.reader, map, masters);
  if (source.adapter) load_adapter(*source.adapter, pipeline, session);
}

}  // namespace corral::cli
