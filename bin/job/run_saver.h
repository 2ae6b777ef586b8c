// Writes a run's checkpoints.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "bin/job/host.h"
#include "bin/job/model_source.h"
#include "bin/job/run_directory.h"
#include "kernel/plugin/dataset.h"
#include "kernel/plugin/tokenizer.h"

namespace corral::job {

class RunSaver {
 public:
  // `checkpoints` is the folder of the checkpoints; `tokenizer` may be null. The configuration is read at each save.
  RunSaver(const Host& host, const config::RunConfig& config, std::string checkpoints, std::shared_ptr<const TokenizerHandle> tokenizer)
      : host_(host), config_(config), checkpoints_(std::move(checkpoints)), tokenizer_(std::move(tokenizer)) {}

  // Keeps the files of the weights that the run begins with or resumes from and, with a method, their fingerprint, for the checkpoints.
  void remember(const ModelSource& source);
  // Keeps the description of the data, for how its chats were written.
  void set_data(DatasetInfo data) { data_ = std::move(data); }
  // Maps the checkpoint's tensors to parameters. Throws Error (2) if the model or the method does not have the dialect.
  WeightMap map(const train::Pipeline& pipeline) const;
  // Saves a checkpoint after `finished` steps.
  void save(runtime::Session& session, const train::Pipeline& pipeline, uint64_t finished, RunLog& log) const;

 private:
  CheckpointWriteRequest request(const train::Pipeline& pipeline, DType dtype, const Progress& progress) const;

  const Host& host_;
  const config::RunConfig& config_;
  std::string checkpoints_;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  DatasetInfo data_;
  std::optional<CheckpointInfo> origin_;
  std::string base_, fingerprint_;  // of the model that the adapter is trained for
};

}  // namespace corral::job
