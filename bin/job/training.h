// Trains a run in its directory, from its first step or from a checkpoint.
#pragma once

#include <functional>
#include <optional>

#include "bin/job/host.h"
#include "bin/job/model_source.h"
#include "kernel/runtime/session.h"
#include "kernel/train/loop.h"
#include "kernel/train/pipeline.h"

namespace corral::job {

// Shows the training graph instead of training: reads no data, writes nothing.
struct GraphOnly {
  // Called before the first graph is made.
  std::function<void(train::Pipeline& pipeline)> before;
  // Called after the training graph is made; `planned` returns the session that would run it.
  std::function<void(const train::Pipeline& pipeline, const std::function<const runtime::Session&()>& planned)> after;
};

struct TrainingRequest {
  enum Mode { kPretrain, kFinetune } mode = kPretrain;  // kPretrain trains all weights
  config::Sources sources;
  // The user's description of the initial weights; their path is checkpoint.pretrained or checkpoint.load.
  WantedModel weights = {.path = ""};
  bool resume = false;                  // from the newest whole checkpoint in the run's directory
  std::optional<double> epochs;         // passes over the rows, instead of train.train_iters
  std::optional<GraphOnly> graph_only;  // instead of the run
};

// Throws Error (2) before anything is written if the configuration, the data or the weights are incomplete.
train::Ending train(const Host& host, const TrainingRequest& request);

}  // namespace corral::job
