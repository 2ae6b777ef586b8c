// The training loop: steps, logging, evaluation, saving, the end.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "kernel/train/agenda.h"
#include "kernel/train/batch.h"
#include "kernel/train/metrics.h"
#include "kernel/train/prefetch.h"
#include "kernel/train/step.h"
#include "kernel/train/step_values.h"

namespace corral::train {

struct LoopSettings : AgendaSettings {
  uint64_t first_step = 0;
  int64_t global_batch_size = 1;
  uint64_t log_interval = 0, eval_iters = 0;
  bool terminal = false;  // one live line instead of a line per log interval
};

struct LoopHooks {
  std::function<void(std::string_view line)> say;
  std::function<void(std::string_view line)> live;  // overwrites itself on a terminal
  std::function<void(uint64_t finished_steps)> save;
  std::function<void(uint64_t step, const StepResult&, double lr, double tokens_per_second)> track;
  std::function<void(uint64_t step, double eval_loss)> track_eval;
  std::function<void(uint64_t step)> sample;
};

class Loop {
 public:
  // `evaluation` may be the same object as `step`. `eval_fetch` is empty if there is no validation part.
  Loop(Step& step, Step& evaluation, Fetch fetch, Fetch eval_fetch, StepValueTable values, MetricsFile& metrics, LoopSettings settings,
       LoopHooks hooks);

  // Trains until an ending. The sums of a step are read after the next one's forward phase is queued and before its update is. Throws Error
  // (2) naming the step if a loss or a gradient is NaN or infinite. Saves before it returns unless no step was done.
  Ending run();

  StepResult evaluate(uint64_t batches);

 private:
  using Clock = std::chrono::steady_clock;
  // A step whose update is queued and whose sums are not read yet.
  struct Unread {
    uint64_t finished;
    double lr;
    Clock::time_point begin;
  };

  // Queues the micro-batches of the step that follows `finished` steps.
  void forward_backward(Prefetch& data, uint64_t finished);
  // Waits for the sums of the unread step, if there is one, and reports them.
  void settle();
  void evaluate_and_report(uint64_t finished);
  bool due(uint64_t interval, uint64_t finished) const { return interval && finished % interval == 0; }
  void say_whole_time();
  void report(const Unread& step, const StepResult& result, double seconds);

  Step& step_;
  Step& evaluation_;
  Fetch fetch_, eval_fetch_;
  StepValueTable values_;
  MetricsFile& metrics_;
  LoopSettings settings_;
  LoopHooks hooks_;
  std::optional<Unread> unread_;
  Clock::time_point settled_{};  // when the step before was done
  uint64_t saved_ = 0;
  double seconds_per_step_ = 0;
};

}  // namespace corral::train
