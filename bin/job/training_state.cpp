#include "bin/job/training_state.h"

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/checkpoint/format_io.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {
namespace {
namespace fs = std::filesystem;
constexpr char kMaster[] = "master";

// The progress of the run, by Corral's own file and by the format.
TakenState behind(const ModelSource& source, const std::string& folder) {
  const CheckpointInfo& info = source.info;
  std::error_code error;
  const bool own = fs::exists(folder + "/state/progress.json", error);
  if (!source.adapter && !info.optimizer_refusal.empty())
    fail("{}: only its weights can be loaded: {}\n       begin from them with --pretrained-checkpoint {}", folder, info.optimizer_refusal,
         folder);
  const uint64_t steps = source.adapter || info.optimizer_steps.empty() ? 0 : std::stoull(info.optimizer_steps);
  if (!own && steps > 0) return {steps, {}, {}};
  const Progress progress = read_progress(folder + "/state");
  if (steps > 0 && steps != progress.step)
    fail("{}: state/progress.json says that it has done {} steps, its optimizer says {}", folder, progress.step, steps);
  return {progress.step, progress.rows, {}};
}

}  // namespace

void save_with_state(const CheckpointFormat& format, const std::string& folder, const WeightMap& map, train::SessionTensors& parameters,
                     runtime::Session& session, CheckpointWriteRequest request, const Progress& progress) {
  std::vector<std::string> roles;
  std::vector<train::SessionTensors> tensors;
  if (request.kind != "adapter")
    for (const std::string& role : train::roles_of(session))
      if (train::SessionTensors t = train::states_of(session, role); checkpoint::stand_alone(map, t.tensors())) {
        roles.push_back(role);
        tensors.push_back(std::move(t));
      }
  std::vector<checkpoint::WeightState> states;
  for (size_t i = 0; i < roles.size(); ++i) states.push_back({roles[i], &tensors[i]});
  try {
    checkpoint::save_model(format, folder, map, parameters, request, states);
  } catch (const Unsupported&) {
    if (states.empty()) throw;
    roles.clear();
    checkpoint::save_model(format, folder, map, parameters, std::move(request));
  }
  fs::create_directory(folder + "/state");
  train::SessionTensors rest = train::training_state_of(session, roles);
  rest.set_file("optimizer.safetensors");
  if (!rest.tensors().empty()) checkpoint::save_state(format, folder + "/state", rest);
  write_progress(folder + "/state", progress);
}

TakenState load_state(const Host& host, const ModelSource& source, const train::Pipeline& pipeline, runtime::Session& session) {
  const std::string& folder = source.adapter ? source.adapter->path : source.path;
  TakenState taken = behind(source, folder);
  if (!source.adapter) taken.roles = checkpoint::roles_in(source.reader->list().tensors);
  const WeightMap map = weight_map_of(source, pipeline.model().handle, pipeline.model().options);
  for (const std::string& role : taken.roles) {
    train::SessionTensors sink = role == kMaster ? train::masters_of_trained(session) : train::states_of(session, role);
    if (sink.tensors().empty()) fail("{}: its optimizer has {} of each weight, but the optimizer of this run does not", folder, role);
    checkpoint::read_states(*source.reader, map, role, sink);
  }
  train::SessionTensors rest = train::training_state_of(session, taken.roles);
  if (rest.tensors().empty()) return taken;
  if (!taken.rows) {
    // Weights in fp32 are their own masters.
    for (const TensorInfo& t : rest.tensors())
      if (!t.name.starts_with(std::string(kMaster) + "."))
        fail("{}: the state of its optimizer has no {}, but the optimizer of this run needs it", folder, t.name);
    return taken;
  }
  checkpoint::load_state(
      CheckpointFormat(host.plugins.load("checkpoint", source.adapter ? source.adapter->format : source.format)).open(folder + "/state"),
      rest);
  return taken;
}

std::string optimizer_settings(const config::RunConfig& config) {
  constexpr std::string_view kSection = "optimizer.", kIters = "train.train_iters";
  nlohmann::json all = nlohmann::json::object();
  for (const auto& [key, setting] : config.settings()) {
    const bool of_optimizer = key.starts_with(kSection);
    if (!of_optimizer && key != kIters) continue;
    const std::string name = key.substr(key.find('.') + 1);
    std::visit([&](const auto& value) { all[name] = value; }, setting.value);
  }
  return all.dump();
}

}  // namespace corral::job
