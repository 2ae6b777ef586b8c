#include "bin/job/job.h"

#include <algorithm>
#include <filesystem>

#include "bin/hub/hub_cache.h"
#include "bin/job/chat_template.h"
#include "bin/job/host.h"
#include "bin/job/model_files.h"
#include "bin/job/settings.h"
#include "corral/error.h"
#include "kernel/checkpoint/files.h"

namespace corral::job {
namespace {
namespace fs = std::filesystem;

// The format that other programs read, whatever the format of checkpoints.
constexpr char kComparisonFormat[] = "hf";

config::Assignment assignment(const std::string& key, const std::string& value, const std::string& by) {
  config::Assignment a;
  a.key = key;
  a.literals = {{config::Literal::kString, value}};
  a.by = by;
  return a;
}

bool sets(const config::Sources& sources, const std::string& key) {
  for (const config::Assignment& a : sources.flags)
    if (a.key == key) return true;
  return false;
}

}  // namespace

config::RunConfig configure_for(const Host& host, config::Sources sources, const ModelSource& source) {
  const std::string by = "checkpoint " + source.path;
  if (!sets(sources, "model.plugin")) sources.flags.push_back(assignment("model.plugin", source.model_plugin, by));
  if (!sets(sources, "model.size")) sources.flags.push_back(assignment("model.size", "", by));
  if (source.adapter) {
    const std::string adapter = "adapter " + source.adapter->path;
    std::erase_if(sources.flags, [](const config::Assignment& a) { return a.key == "peft.plugin"; });
    sources.flags.push_back(assignment("peft.plugin", source.adapter->plugin, adapter));
  }
  config::RunConfig config = resolve(host, sources);
  config.absorb("model", source.options, by);
  if (source.adapter) config.absorb("peft", source.adapter->options, "adapter " + source.adapter->path);
  return config;
}

config::RunConfig configure_to_run(const Host& host, const config::Sources& sources, const ModelSource& source) {
  config::RunConfig config = configure_for(host, sources, source);
  take_one_rank(config);
  if (source.adapter || config.plugin("peft").empty()) return config;
  if (sets(sources, "peft.plugin")) fail("peft.plugin = \"{}\": name the adapter too, with --adapter DIR", config.plugin("peft"));
  config.set("peft.plugin", std::string("none"), "no adapter");
  return config;
}

std::shared_ptr<const DeviceHandle> open_device(const Host& host, const config::RunConfig& config) {
  auto plugin = host.plugins.load("device", config.plugin("device", true));
  DeviceOpen request;
  request.options = config.options("device");
  request.threads = static_cast<uint32_t>(config.integer("device.threads"));
  return std::make_shared<const DeviceHandle>(DeviceHandle::open(std::move(plugin), request));
}

uint64_t free_memory(const DeviceHandle& device) {
  const uint64_t bytes = device.info().memory_bytes;
  return bytes ? bytes : UINT64_MAX;
}

void allocate(runtime::Session& session, const char* remedy) {
  const DeviceHandle& device = session.device();
  if (const uint64_t wanted = session.plan().total, there = free_memory(device); wanted > there)
    fail_environment("out of memory: the tensors need {}, and {} has {} free\n       {}", checkpoint::size_text(wanted),
                     device.plugin().label(), checkpoint::size_text(there), remedy);
  session.allocate();
}

train::Pipeline make_pipeline(const Host& host, const config::RunConfig& config) {
  train::Pipeline pipeline(
      {ModelHandle(host.plugins.load("model", config.plugin("model", true))), config.options("model")},
      {PrecisionHandle(host.plugins.load("precision", config.plugin("precision", true))), config.options("precision")});
  if (!config.plugin("peft").empty())
    pipeline.set_peft({PeftHandle(host.plugins.load("peft", config.plugin("peft", true))), config.options("peft")});
  pipeline.set_recompute(config.text("recompute.granularity"), config.integer("recompute.num_layers"));
  return pipeline;
}

train::Chosen<OptimizerHandle> choose_optimizer(const Host& host, const config::RunConfig& config) {
  return {OptimizerHandle(host.plugins.load("optimizer", config.plugin("optimizer", true))), config.options("optimizer")};
}

std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const std::string& folder) {
  std::string wanted = hub::cached_path(config.text("tokenizer.path"));
  std::error_code error;
  if (!wanted.empty() && !fs::exists(wanted, error)) {
    // A recipe names the hub tokenizer of the model that it was written for; the model at hand has its own.
    const bool recommended = !folder.empty() && config.find("tokenizer.path")->from.starts_with("recipe");
    if (!recommended)
      fail("tokenizer.path = \"{}\": no such file or folder{}", wanted,
           hub::hub_name(wanted) ? "; a model of the hub is fetched first: corral download " + wanted : "");
    wanted.clear();
  }
  const std::string& path = wanted.empty() ? folder : wanted;
  if (path.empty()) return nullptr;
  std::shared_ptr<const Plugin> best;
  std::string reasons;
  uint32_t confidence = 0;
  const std::string plugin_name = config.plugin("tokenizer");
  for (const std::string& name : plugin_name.empty() ? host.available("tokenizer") : std::vector{plugin_name}) {
    const auto plugin = host.plugins.load("tokenizer", name);
    const Probe probe = TokenizerMethod(plugin).probe(path);
    reasons += "\n       " + name + ": " + probe.reason;
    if (probe.confidence <= confidence) continue;
    confidence = probe.confidence;
    best = plugin;
  }
  if (!best) {
    if (wanted.empty()) return nullptr;
    fail("tokenizer.path = \"{}\": no installed tokenizer knows it{}", path, reasons);
  }
  // An explicit plugin gets the configured options; a plugin that was found gets their defaults.
  const std::string options = plugin_name.empty() ? "" : config.options("tokenizer");
  return std::make_shared<const TokenizerHandle>(TokenizerMethod(best).open(path, options));
}

std::shared_ptr<const TokenizerHandle> open_tokenizer(const Host& host, const config::RunConfig& config, const ModelSource& source) {
  std::shared_ptr<const TokenizerHandle> tokenizer;
  if (source.adapter && config.text("tokenizer.path").empty()) tokenizer = open_tokenizer(host, config, source.adapter->path);
  if (!tokenizer) tokenizer = open_tokenizer(host, config, source.files_folder());
  check_vocabulary(host, config, tokenizer.get());
  return tokenizer;
}

std::shared_ptr<const DatasetHandle> open_dataset(const Host& host, const config::RunConfig& config, const TokenizerHandle* tokenizer,
                                                  bool whole) {
  auto plugin = host.plugins.load("dataset", config.plugin("dataset", true));
  DatasetRequest request;
  request.options = config.options("dataset");
  request.paths = config.list("data.paths");
  request.split = config.text("data.split");
  request.shuffle = config.boolean("data.shuffle");
  request.seed = static_cast<uint64_t>(config.integer("data.seed"));
  request.seq_length = config.integer("train.seq_length");
  request.end_of_text_id = -1;
  request.threads = static_cast<uint32_t>(config.integer("device.threads"));
  request.whole = whole;
  request.row_template = config.text("data.template");
  request.packed = config.boolean("data.packed");
  if (tokenizer) {
    request.chat_template = chat_template_of(tokenizer->files().files);
    const TokenizerInfo info = tokenizer->info();
    request.end_of_text_id = info.end_of_text_id;
    request.num_ids = info.num_ids;
  }
  auto data = std::make_shared<const DatasetHandle>(DatasetHandle::open(std::move(plugin), request, tokenizer));
  for (const std::string& line : data->info().notices) host.say(line);
  return data;
}

train::Fetch fetch_part(std::shared_ptr<const DatasetHandle> data, uint64_t part) {
  return [data = std::move(data), part](uint64_t first_row, train::Batch& batch) {
    data->fetch(part, first_row, static_cast<uint64_t>(batch.rows), batch.tokens.data(), batch.targets.data(), batch.positions.data(),
                batch.first_key.data(), batch.weights.data());
  };
}

void check_tensor_file(const std::string& flag, const std::string& path) {
  std::error_code error;
  if (path.empty()) fail("--{}: needs a value, FILE", flag);
  const fs::path file = fs::absolute(path);
  if (!fs::is_directory(file.parent_path(), error)) fail("--{} {}: the folder {} does not exist", flag, path, file.parent_path().string());
  if (fs::is_directory(file, error)) fail("--{} {}: that is a folder: name a file", flag, path);
}

void write_tensor_file(const Host& host, const std::string& path, const std::vector<NamedTensor>& tensors) {
  const fs::path file = fs::absolute(path);
  // The format chooses the extension of its file; the file is renamed to the user's.
  const fs::path partial = file.string() + ".partial";
  std::error_code error;
  fs::remove_all(partial, error);
  fs::create_directory(partial, error);
  if (error) fail_environment("cannot write {}: {}", path, error.message());
  CheckpointWriteRequest request;
  request.kind = "state";
  for (const NamedTensor& t : tensors) {
    request.tensors.tensors.push_back(t.info);
    request.tensors.tensors.back().file = "tensors";
  }
  try {
    CheckpointWriterHandle writer = CheckpointFormat(host.plugins.load("checkpoint", kComparisonFormat)).create(partial, request);
    for (size_t i = 0; i < tensors.size(); ++i) writer.write(i, 0, tensors[i].bytes.data(), tensors[i].bytes.size());
    writer.finish();
    writer.commit();
    for (const fs::directory_entry& written : fs::directory_iterator(partial)) fs::rename(written.path(), file);
  } catch (...) {
    fs::remove_all(partial, error);
    throw;
  }
  fs::remove_all(partial, error);
}

}  // namespace corral::job
