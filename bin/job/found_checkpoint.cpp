#include "bin/job/found_checkpoint.h"

#include <algorithm>
#include <filesystem>

#include "bin/hub/hub_cache.h"
#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/checkpoint/manifest.h"
#include "kernel/checkpoint/store.h"
#include "kernel/plugin/model.h"

namespace corral::job {

FoundFormat find_format(const Host& host, const std::string& path, const std::string& wanted) {
  std::string reasons;
  std::vector<FoundFormat> best;
  uint32_t confidence = 1;
  bool known = false;
  for (const std::string& name : host.available("checkpoint")) {
    CheckpointFormat format(host.plugins.load("checkpoint", name));
    const Probe probe = format.probe(path);
    reasons += "\n       " + name + ": " + probe.reason;
    known = known || probe.confidence > 0;
    if (probe.confidence < confidence || (!wanted.empty() && name != wanted)) continue;
    if (probe.confidence > confidence) best.clear();
    confidence = probe.confidence;
    best.push_back({std::move(format), name, probe.reason});
  }
  if (best.empty() && known) fail("{}: not a checkpoint of the format {}; --checkpoint accepts any format{}", path, wanted, reasons);
  if (best.empty()) fail("{}: no installed format knows this as a checkpoint{}", path, reasons);
  if (best.size() > 1)
    fail(
        "{}: may be a checkpoint of {} as well as of {}: name a folder that contains one of them, or give it with --hf-model or "
        "--megatron-path{}",
        path, best[0].name, best[1].name, reasons);
  return best[0];
}

DialectConfig own_config(const CheckpointInfo& info) {
  DialectConfig config;
  config.dialect = info.dialect;
  config.content = info.config;
  return config;
}

FoundModel find_model(const Host& host, const DialectConfig& config, const std::string& wanted) {
  FoundModel found;
  uint32_t confidence = 0;
  for (const std::string& name : wanted.empty() ? host.available("model") : std::vector{wanted}) {
    Recognition r;
    try {
      r = ModelHandle(host.plugins.load("model", name)).recognize(config);
    } catch (const Unsupported&) {
      continue;  // another dialect
    } catch (const Error& e) {
      if (e.exit_code() != 2 || !wanted.empty()) throw;
      if (found.refusal.empty()) found.refusal = e.what();
      r.reason = e.what();
    }
    found.claims.push_back({name, r.reason, r.confidence});
    if (r.confidence <= confidence) continue;
    confidence = r.confidence;
    found.plugin = name;
    found.reason = r.reason;
    found.options = r.options;
  }
  return found;
}

bool is_checkpoint(const Host& host, const std::string& path) {
  const auto names = host.available("checkpoint");
  return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
    return CheckpointFormat(host.plugins.load("checkpoint", name)).probe(path).confidence > 0;
  });
}

std::string newest_checkpoint(const Host& host, const std::string& path) {
  namespace fs = std::filesystem;
  const std::string place = hub::local_path(path);
  std::error_code error;
  if (!fs::exists(place, error)) fail("{}: no such file or folder: expected a checkpoint of any format", path);
  checkpoint::require_finished(place);
  if (is_checkpoint(host, place)) return place;
  for (const std::string& folder : {(fs::path(place) / "checkpoints").string(), place})
    if (const auto all = checkpoint::list_checkpoints(folder); !all.empty()) return all[0].path;
  return place;
}

FoundCheckpoint open_checkpoint(const Host& host, const std::string& path) {
  const FoundFormat found = find_format(host, path);
  FoundCheckpoint c;
  c.path = path;
  c.format = found.name;
  c.reason = found.reason;
  c.reader = std::make_shared<CheckpointReaderHandle>(found.format.open(path));
  c.info = c.reader->info();
  if (c.info.dialect.empty()) c.info.dialect = found.name;  // without a configuration
  c.tensors = c.reader->list().tensors;
  std::error_code error;
  c.of_run = std::filesystem::exists(std::filesystem::path(path) / checkpoint::kManifestName, error);
  if (const auto whole = (std::filesystem::path(path) / "").parent_path(); c.info.iteration.empty() && c.of_run)
    for (const checkpoint::Found& f : checkpoint::list_checkpoints(whole.parent_path().string()))
      if (std::filesystem::equivalent(f.path, whole, error)) c.info.iteration = std::to_string(f.iteration);
  return c;
}

}  // namespace corral::job
