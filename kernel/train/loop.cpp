#include "kernel/train/loop.h"

#include <chrono>
#include <cmath>

#include "corral/error.h"
#include "kernel/train/prefetch.h"
#include "kernel/train/stop.h"

namespace corral::train {
namespace {
using Clock = std::chrono::steady_clock;

double since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

std::string duration(double seconds) {
  char text[40];
  const auto s = static_cast<long long>(seconds + 0.5);
  if (s >= 86400)
    std::snprintf(text, sizeof text, "%lldd %lldh", s / 86400, s / 3600 % 24);
  else if (s >= 3600)
    std::snprintf(text, sizeof text, "%lldh %lldm", s / 3600, s / 60 % 60);
  else if (s >= 60)
    std::snprintf(text, sizeof text, "%lldm %llds", s / 60, s % 60);
  else
    std::snprintf(text, sizeof text, "%.1fs", seconds);
  return text;
}

double value_of(const StepValueTable::Row& values, const char* name) {
  for (const auto& [n, v] : values)
    if (n == name) return v;
  return 0;
}

// What was asked of the optimizer cannot be done from these weights: the settings are at fault, or the data.
[[noreturn]] void diverged(const char* what, double value, uint64_t step, uint64_t saved, double lr) {
  fail(
      "step {}: the {} is {}: training has diverged at lr {}; nothing of it is saved\n       {}with a lower optimizer.lr, a longer "
      "optimizer.lr_warmup_iters or a smaller optimizer.clip_grad",
      step, what, value, lr, saved == 0 ? "begin anew " : format("begin from the checkpoint of step {} ", saved));
}

}  // namespace

Loop::Loop(Step& step, Step& evaluation, Fetch fetch, Fetch eval_fetch, StepValueTable values, MetricsFile& metrics, LoopSettings settings,
           LoopHooks hooks)
    : step_(step),
      evaluation_(evaluation),
      fetch_(std::move(fetch)),
      eval_fetch_(std::move(eval_fetch)),
      values_(std::move(values)),
      metrics_(metrics),
      settings_(settings),
      hooks_(std::move(hooks)) {}

Ending Loop::run() {
  const int64_t micro = settings_.global_batch_size / step_.rows();
  const auto rows_a_step = static_cast<uint64_t>(settings_.global_batch_size);
  Prefetch data(fetch_, settings_.first_step * rows_a_step, step_.rows(), step_.seq_length());
  const Clock::time_point start = Clock::now();
  uint64_t saved = settings_.first_step;
  Ending ending = Ending::kDone;
  uint64_t finished = settings_.first_step;
  while (finished < settings_.train_iters) {
    const Clock::time_point begin = Clock::now();
    StepResult result;
    for (int64_t i = 0; i < micro; ++i)
      step_.forward_backward(data.next(), finished, i, micro, finished * rows_a_step + static_cast<uint64_t>(i * step_.rows()), result);
    const auto& values = values_.at(finished);
    step_.update(values, result);
    if (!std::isfinite(result.loss_sum)) diverged("loss", result.loss(), finished + 1, saved, value_of(values, "lr"));
    if (!std::isfinite(result.grad_norm)) diverged("gradient's norm", result.grad_norm, finished + 1, saved, value_of(values, "lr"));
    ++finished;
    const double seconds = since(begin);
    seconds_per_step_ = seconds_per_step_ > 0 ? 0.9 * seconds_per_step_ + 0.1 * seconds : seconds;
    report(finished, result, value_of(values, "lr"), seconds);
    if (finished == settings_.first_step + 3 && settings_.train_iters > finished) say_whole_time();
    if (due(settings_.eval_interval, finished) && eval_fetch_) {
      const StepResult e = evaluate(settings_.eval_iters);
      metrics_.write(finished, {{"eval_loss", e.loss()}});
      hooks_.track_eval(finished, e.loss());
      hooks_.say(format("step {}  eval loss {} (perplexity {})", finished, e.loss(), std::exp(e.loss())));
    }
    if (due(settings_.sample_interval, finished)) hooks_.sample(finished);
    if (due(settings_.save_interval, finished)) {
      hooks_.save(finished);
      saved = finished;
    }
    if (finished == settings_.train_iters) break;
    if (StopSignals::asked()) {
      ending = Ending::kStopped;
      break;
    }
    if (settings_.minutes > 0 && since(start) > settings_.minutes * 60) {
      ending = Ending::kTimeUp;
      break;
    }
  }
  if (saved != finished) hooks_.save(finished);
  return ending;
}

StepResult Loop::evaluate(uint64_t batches) {
  evaluation_.prepare();
  StepResult result;
  Batch batch(evaluation_.rows(), evaluation_.seq_length());
  const uint64_t count = batches * static_cast<uint64_t>(settings_.global_batch_size / evaluation_.rows());
  for (uint64_t i = 0; i < count; ++i) {
    eval_fetch_(i * static_cast<uint64_t>(evaluation_.rows()), batch);
    evaluation_.forward(batch, result);
  }
  return result;
}

// Lines of a step are made without taking memory.
void Loop::say_whole_time() {
  char line[100];
  std::snprintf(line, sizeof line, "the whole run takes about %s",
                duration(seconds_per_step_ * static_cast<double>(settings_.train_iters - settings_.first_step)).c_str());
  hooks_.say(line);
}

void Loop::report(uint64_t finished, const StepResult& result, double lr, double seconds) {
  const double speed = static_cast<double>(result.tokens) / seconds;
  const bool log = due(settings_.log_interval, finished) || finished == settings_.train_iters;
  if (log)
    metrics_.write(finished, {{"loss", result.loss()},
                              {"lr", lr},
                              {"grad_norm", result.grad_norm},
                              {"tokens", static_cast<double>(result.tokens) * static_cast<double>(finished)},
                              {"tokens_per_second", speed},
                              {"seconds", seconds}});
  if (log) hooks_.track(finished, result, lr, speed);
  if (!settings_.terminal && !log) return;
  char line[200];
  std::snprintf(line, sizeof line, "step %llu/%llu  loss %.4f  lr %.3g  grad norm %.3f  %.0f tokens/s  ETA %s",
                static_cast<unsigned long long>(finished), static_cast<unsigned long long>(settings_.train_iters), result.loss(), lr,
                result.grad_norm, speed, duration(seconds_per_step_ * static_cast<double>(settings_.train_iters - finished)).c_str());
  if (settings_.terminal && !log)
    hooks_.live(line);
  else
    hooks_.say(line);
}

}  // namespace corral::train
