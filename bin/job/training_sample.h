// Writes a text with the model in training now and then, for a person to read.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "kernel/config/run_config.h"
#include "kernel/generate/generator.h"
#include "kernel/plugin/tokenizer.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

// Implements train.sample_interval and train.sample_prompt. Everything is made before the first step; the programs share the run's arena.
class TrainingSample {
 public:
  // Throws Error (2) if there is no tokenizer, or no token to begin a text with.
  TrainingSample(const config::RunConfig& config, std::shared_ptr<const TokenizerHandle> tokenizer);

  // Appends the generation graphs, which this object uses from then on.
  void add_graphs(const train::Pipeline& pipeline, std::vector<runtime::Prepared>& graphs);
  // Uses the allocated session that contains the graphs.
  void open(runtime::Session& session);
  // The prompt and its continuation on one line; equal weights give equal text.
  std::string write();

 private:
  static constexpr uint64_t kNewTokens = 64;
  std::shared_ptr<const TokenizerHandle> tokenizer_;
  std::vector<int32_t> ids_;
  generate::Sampling sampling_;
  generate::Limits limits_;
  std::unique_ptr<generate::Generator> generator_;
};

}  // namespace corral::job
