#include "bin/job/run_start.h"

#include <algorithm>
#include <filesystem>

#include "bin/job/job.h"
#include "bin/job/run_directory.h"
#include "bin/job/settings.h"
#include "corral/error.h"

namespace corral::job {
namespace {
namespace fs = std::filesystem;

bool has_run(const std::string& dir) {
  std::error_code error;
  return fs::exists(fs::path(dir) / "config.textproto", error);
}

ModelSource open_weights(const Host& host, const TrainingRequest& request, const std::string& path, bool with_state) {
  WantedModel wanted = request.weights;
  wanted.path = path;
  wanted.with_state = with_state;
  ModelSource source = open_model(host, wanted);
  if (!with_state && !source.adapter && !source.info.optimizer_steps.empty())
    host.say(format("--load {} would continue after its {} steps, with the optimizer's state", path, source.info.optimizer_steps));
  if (request.mode == TrainingRequest::kPretrain && source.adapter)
    fail("{} is an adapter: merge it into its model first, or use `corral finetune`", path);
  return source;
}

// Opens the weights that a flag names: their model determines the keys of model.*.
std::optional<ModelSource> weights_of_flags(const Host& host, const TrainingRequest& request) {
  std::optional<ModelSource> source;
  if (request.resume) return source;
  for (const config::Assignment& a : request.sources.flags) {
    const bool load = a.key == "checkpoint.load";
    if ((a.key != "checkpoint.pretrained" && !load) || a.literals.empty()) continue;
    if (source) fail("--load continues a run, --pretrained-checkpoint begins one: give one of them");
    source = open_weights(host, request, a.literals[0].text, load);
  }
  return source;
}

checkpoint::Found resumed_checkpoint(const Host& host, const config::RunConfig& config, const std::string& dir) {
  if (!has_run(dir)) fail("--resume: {} contains no run", dir);
  const auto found = checkpoint::newest_verified(checkpoints_of(config, dir), host.say);
  if (!found) fail("--resume: {} has no whole checkpoint: begin anew in another --dir", dir);
  return *found;
}

void require_training_state(const config::RunConfig& config, const std::string& dir) {
  std::error_code error;
  const std::vector<checkpoint::Found> there = checkpoint::list_checkpoints(checkpoints_of(config, dir));
  if (!there.empty() && !fs::exists(there.front().path + "/state", error))
    fail("{} contains a model without a training state: begin from it with --pretrained-checkpoint {}, and name another --dir", dir, dir);
}

std::string checked_directory(const config::RunConfig& config) {
  const std::string dir = run_directory(config);
  std::error_code error;
  if (fs::exists(dir, error) && !fs::is_directory(dir, error))
    fail("run.dir = \"{}\": that is a file: name a folder{}", dir, config.set_by("run.dir"));
  return dir;
}

}  // namespace

std::string checkpoints_of(const config::RunConfig& config, const std::string& dir) {
  const std::string& own = config.text("checkpoint.dir");
  return own.empty() ? dir + "/checkpoints" : own;
}

void lock_directories(const Host& host, const config::RunConfig& config, const std::string& dir, std::vector<RunLock>& locks) {
  std::error_code error;
  for (const std::string& folder : {dir, config.text("checkpoint.dir")}) {
    const bool locked = std::any_of(locks.begin(), locks.end(), [&](const RunLock& l) { return fs::equivalent(l.dir(), folder, error); });
    if (!folder.empty() && fs::is_directory(folder, error) && !locked) locks.emplace_back(folder, host.say);
  }
}

void require_no_run(const config::RunConfig& config, const std::string& dir) {
  require_training_state(config, dir);
  if (has_run(dir) || !checkpoint::list_checkpoints(checkpoints_of(config, dir)).empty())
    fail("{} contains a run already: continue with --resume, or name another --dir", dir);
}

RunStart find_start(const Host& host, const TrainingRequest& request) {
  std::optional<ModelSource> source = weights_of_flags(host, request);
  const auto configured = [&] { return source ? configure_for(host, request.sources, *source) : resolve(host, request.sources); };
  RunStart start{.config = configured()};
  if (request.mode == TrainingRequest::kPretrain && !start.config.plugin("peft").empty())
    fail("peft.plugin = \"{}\": pretraining trains all weights; use `corral finetune`{}", start.config.plugin("peft"),
         start.config.set_by("peft.plugin"));
  const std::string dir = checked_directory(start.config);
  if (!request.graph_only) {
    // Locked before its files are read: another process may be changing them.
    lock_directories(host, start.config, dir, start.locks);
    if (!request.resume) {
      require_no_run(start.config, dir);
    } else {
      require_training_state(start.config, dir);
      start.resumed = resumed_checkpoint(host, start.config, dir);
      config::Sources from = request.sources;
      from.resolved = dir + "/config.textproto";
      from.recipe.clear();
      start.config = resolve(host, from);
      return start;
    }
  }
  const std::string load = start.config.text("checkpoint.load");
  if (const std::string path = load.empty() ? start.config.text("checkpoint.pretrained") : load; !path.empty()) {
    if (!source) {
      source = open_weights(host, request, path, !load.empty());
      start.config = configured();
    }
    if (source->adapter) start.config.set("checkpoint.pretrained", source->path, "adapter " + source->adapter->path);
    start.weights = std::move(source);
    start.with_state = !load.empty();
    return start;
  }
  if (request.mode == TrainingRequest::kFinetune && !request.graph_only)
    fail("finetune needs weights to begin from: --pretrained-checkpoint HF_FOLDER or RUN");
  if (start.config.plugin("model").empty())
    fail("{} needs a model: --recipe NAME (`corral recipes` lists them), or --model llama32/1b, for one",
         request.mode == TrainingRequest::kPretrain ? "pretrain" : "finetune");
  return start;
}

}  // namespace corral::job
