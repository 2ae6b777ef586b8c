// The training loop: steps, logging, evaluation, saving, the end.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

#include "kernel/train/batch.h"
#include "kernel/train/metrics.h"
#include "kernel/train/step.h"
#include "kernel/train/step_values.h"

namespace corral::train {

struct LoopSettings {
  uint64_t first_step = 0, train_iters = 0;
  int64_t global_batch_size = 1;
  uint64_t log_interval = 0, eval_interval = 0, eval_iters = 0, save_interval = 0, sample_interval = 0;
  double minutes = 0;     // 0: no limit
  bool terminal = false;  // a live line instead of one a log interval
};

struct LoopHooks {
  std::function<void(std::string_view line)> say;
  std::function<void(std::string_view line)> live;  // overwrites itself on a terminal
  std::function<void(uint64_t finished_steps)> save;
  std::function<void(uint64_t step, const StepResult&, double lr, double tokens_per_second)> track;
  std::function<void(uint64_t step, double eval_loss)> track_eval;
  std::function<void(uint64_t step)> sample;
};

enum class Ending { kDone, kStopped, kTimeUp };

class Loop {
 public:
  // `evaluation` may be the same step; `eval_fetch` empty where there is no validation part.
  Loop(Step& step, Step& evaluation, Fetch fetch, Fetch eval_fetch, StepValueTable values, MetricsFile& metrics, LoopSettings settings,
       LoopHooks hooks);

  // Throws Error (2) with the step where a loss or a gradient is no number. Saves before it returns unless nothing was done.
  Ending run();

  StepResult evaluate(uint64_t batches);

 private:
  bool due(uint64_t interval, uint64_t finished) const { return interval && finished % interval == 0; }
  void say_whole_time();
  void report(uint64_t finished, const StepResult& result, double lr, double seconds);

  Step& step_;
  Step& evaluation_;
  Fetch fetch_, eval_fetch_;
  StepValueTable values_;
  MetricsFile& metrics_;
  LoopSettings settings_;
  LoopHooks hooks_;
  double seconds_per_step_ = 0;
};

}  // namespace corral::train
