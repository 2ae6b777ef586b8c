#include "bin/job/run_saver.h"

#include <filesystem>

#include "bin/job/model_files.h"
#include "bin/job/training_state.h"
#include "kernel/checkpoint/store.h"
#include "kernel/checkpoint/weight_map.h"
#include "kernel/train/session_tensors.h"

namespace corral::job {

void RunSaver::remember(const ModelSource& source) {
  origin_ = source.info;
  if (config_.plugin("peft").empty()) return;
  base_ = std::filesystem::absolute(source.path).lexically_normal().string();
  fingerprint_ = fingerprint_of(host_, source);
}

WeightMap RunSaver::map(const train::Pipeline& pipeline) const {
  const std::string dialect = dialect_of(config_);
  return pipeline.has_peft() ? pipeline.adapter_map(dialect) : pipeline.model().handle.weight_map(pipeline.model().options, dialect);
}

CheckpointWriteRequest RunSaver::request(const train::Pipeline& pipeline, DType dtype, const Progress& progress) const {
  const std::string dialect = dialect_of(config_);
  CheckpointWriteRequest request;
  if (pipeline.has_peft()) {
    request.kind = "adapter";
    request.config = pipeline.adapter_config(dialect, base_);
    request.files = adapter_files(fingerprint_, origin_, tokenizer_.get(), data_);
    request.others = {model_config(dialect, pipeline.model(), origin_)};
  } else {
    request = model_request(config_, pipeline, dtype, origin_, tokenizer_.get(), data_);
  }
  request.dialect = dialect;
  request.iteration = progress.step;
  request.consumed_samples = progress.rows;
  request.optimizer = optimizer_settings(config_);
  return request;
}

void RunSaver::save(runtime::Session& session, const train::Pipeline& pipeline, uint64_t finished, RunLog& log) const {
  const CheckpointFormat format_plugin(host_.plugins.load("checkpoint", config_.text("checkpoint.format")), config_.options("checkpoint"));
  checkpoint::SaveOptions options;
  options.keep = static_cast<uint64_t>(config_.integer("checkpoint.keep"));
  options.say = [&](const std::string& line) { log.say(line); };
  const auto write = [&](const std::string& folder) {
    const WeightMap written = map(pipeline);
    train::SessionTensors parameters = train::parameters_of(session, checkpoint::parameters_in(written));
    const Progress progress{finished, finished * static_cast<uint64_t>(config_.integer("train.global_batch_size"))};
    save_with_state(format_plugin, folder, written, parameters, session, request(pipeline, parameters.tensors().at(0).dtype, progress),
                    progress);
  };
  log.say("saved " + checkpoint::save_checkpoint(checkpoints_, finished, write, options));
}

}  // namespace corral::job
