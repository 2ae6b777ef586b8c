#include "bin/job/model_source.h"

#include <filesystem>

#include "bin/hub/hub_cache.h"
#include "bin/job/found_checkpoint.h"
#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/checkpoint/fingerprint.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/stored_parameters.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {
namespace {

// The configuration and files of the folder that describes the model, if it is not the model's own.
std::optional<DialectConfig> described_by(const Host& host, const std::string& folder, ModelSource& source) {
  std::string path = folder;
  std::error_code error;
  if (path.empty() || std::filesystem::equivalent(path, source.path, error)) return {};
  path = checkpoint::locate_checkpoint(hub::local_path(path), host.say).path;
  if (std::filesystem::equivalent(path, source.path, error)) return {};
  const CheckpointReaderHandle reader = find_format(host, path, "hf").format.open(path);
  CheckpointInfo info = reader.info();
  if (info.kind == "adapter") return {};
  if (info.config.empty()) fail("--hf-model {}: it has no configuration", folder);
  const DialectConfig config = own_config(info);
  source.info.files = std::move(info.files);
  source.info.files_folder = path;
  source.info.others = {config};
  return config;
}

void recognize(const Host& host, const WantedModel& wanted, const FoundFormat& found, ModelSource& source) {
  DialectConfig config = own_config(source.info);
  if (const auto described = described_by(host, wanted.described_by, source))
    config = *described;
  else if (config.content.empty() && !source.info.others.empty())
    config = source.info.others[0];
  if (config.content.empty())
    fail("{}: has tensors, but no configuration that names their model: give the model's folder with --hf-model", source.path);
  FoundModel model;
  try {
    model = find_model(host, config, wanted.model);
  } catch (const Error& e) {
    throw Error(e.exit_code(), source.path + ": " + e.what());
  }
  if (model.plugin.empty())
    fail("{}: {}", source.path, model.refusal.empty() ? "no installed model plugin recognizes its configuration" : model.refusal);
  source.model_plugin = model.plugin;
  source.options = model.options;
  host.say(format("model: {} ({}), from {} ({}: {})", source.model_plugin,
                  wanted.model.empty() ? model.reason + "; --model names another" : "as --model says", source.path, found.name,
                  found.reason));
}

std::unique_ptr<checkpoint::StoredParameters> stored_parameters(const Host& host, const ModelSource& source) {
  const ModelHandle model(host.plugins.load("model", source.model_plugin));
  return std::make_unique<checkpoint::StoredParameters>(*source.reader, weight_map_of(source, model, source.options),
                                                        checkpoint::parameters_of(model.emit(source.options, 1, 8)));
}

// Throws Error (2) if a fingerprint says that the adapter was trained for another model.
void check_base(const Host& host, const AdapterSource& adapter, const ModelSource& base) {
  for (const NamedFile& f : adapter.info.files)
    if (f.name == checkpoint::kFingerprintName)
      checkpoint::check_fingerprint(f.content, stored_parameters(host, base)->tensors(), adapter.path, base.path);
}

ModelSource open_found(const Host& host, const FoundFormat& found, const std::string& folder, const WantedModel& wanted) {
  ModelSource source;
  source.path = folder;
  source.format = found.name;
  source.reader = std::make_shared<CheckpointReaderHandle>(found.format.open(source.path));
  source.info = source.reader->info();
  if (source.info.kind != "adapter") {
    recognize(host, wanted, found, source);
    return source;
  }
  AdapterSource adapter = adapter_of(host, folder, source.reader, std::move(source.info), wanted.peft);
  const std::string path = hub::cached_path(wanted.base.empty() ? adapter.base : wanted.base);
  std::error_code error;
  if (path.empty() || !std::filesystem::exists(path, error))
    fail("{} is an adapter for {}, which was not found: name the model, and the adapter with --adapter {}", folder,
         path.empty() ? "a model that it does not name" : path, folder);
  source = open_model_folder(host, {.path = checkpoint::locate_checkpoint(path, host.say).path,
                                    .model = wanted.model,
                                    .described_by = wanted.described_by,
                                    .peft = wanted.peft});
  if (source.adapter) fail("{} is an adapter for {}, which is an adapter itself: merge that first", folder, path);
  check_base(host, adapter, source);
  say_that_only_weights_are_taken(host, source);
  source.adapter = std::move(adapter);
  source.adapter->format = found.name;
  return source;
}

}  // namespace

ModelSource open_model_folder(const Host& host, const WantedModel& wanted) {
  return open_found(host, find_format(host, wanted.path), wanted.path, wanted);
}

void say_that_only_weights_are_taken(const Host& host, const ModelSource& source) {
  size_t rest = 0;
  for (const TensorInfo& t : source.reader->list().tensors) rest += !t.part.empty();
  const std::string& refusal = source.info.optimizer_refusal;
  if (rest) host.say(format("only weights are loaded, without {} tensors of the optimizer{}", rest, refusal.empty() ? "" : "; " + refusal));
}

ModelSource open_model(const Host& host, const WantedModel& wanted) {
  const std::string located = checkpoint::locate_checkpoint(hub::local_path(wanted.path), host.say).path;
  ModelSource source = open_found(host, find_format(host, located, wanted.format), located, wanted);
  if (!wanted.with_state && !source.adapter) say_that_only_weights_are_taken(host, source);
  const std::string& adapter = wanted.adapter;
  if (adapter.empty()) return source;
  if (source.adapter) fail("--adapter {}: {} is an adapter already; name the model that both are for", adapter, wanted.path);
  const std::string folder = checkpoint::locate_checkpoint(adapter, host.say).path;
  auto reader = std::make_shared<CheckpointReaderHandle>(find_format(host, folder).format.open(folder));
  CheckpointInfo info = reader->info();
  if (info.kind != "adapter") fail("--adapter {}: this is not the folder of an adapter", adapter);
  source.adapter = adapter_of(host, folder, std::move(reader), std::move(info), wanted.peft);
  check_base(host, *source.adapter, source);
  return source;
}

std::string fingerprint_of(const Host& host, const ModelSource& source) {
  return checkpoint::fingerprint(std::filesystem::absolute(source.path).lexically_normal().string(),
                                 stored_parameters(host, source)->tensors());
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

}  // namespace corral::job
