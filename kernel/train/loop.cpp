#include "kernel/train/loop.h"

#include <algorithm>
#include <cmath>

#include "corral/error.h"
#include "kernel/train/stop.h"

namespace corral::train {
namespace {

double seconds_between(std::chrono::steady_clock::time_point from, std::chrono::steady_clock::time_point to) {
  return std::chrono::duration<double>(to - from).count();
}

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

// Reports that training diverged from these weights: the settings are at fault, or the data.
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
      hooks_(std::move(hooks)) {
  if (!eval_fetch_) settings_.eval_interval = 0;
}

Ending Loop::run() {
  Prefetch data(fetch_, settings_.first_step * static_cast<uint64_t>(settings_.global_batch_size), step_.rows(), step_.seq_length());
  const Clock::time_point start = settled_ = Clock::now();
  uint64_t finished = saved_ = settings_.first_step;
  while (finished < settings_.train_iters) {
    const Clock::time_point begin = Clock::now();
    forward_backward(data, finished);
    settle();
    const auto& values = values_.at(finished);
    step_.update(values);
    unread_ = {++finished, value_of(values, "lr"), begin};
    const AfterStep after = after_step(settings_, finished, StopSignals::asked(), seconds_between(start, Clock::now()));
    if (after.drains()) settle();
    if (after.evaluates) evaluate_and_report(finished);
    if (after.samples) hooks_.sample(finished);
    if (after.saves) {
      hooks_.save(finished);
      saved_ = finished;
    }
    if (after.ends) return *after.ends;
  }
  return Ending::kDone;
}

void Loop::forward_backward(Prefetch& data, uint64_t finished) {
  const int64_t micro = settings_.global_batch_size / step_.rows();
  const uint64_t first_row = finished * static_cast<uint64_t>(settings_.global_batch_size);
  for (int64_t i = 0; i < micro; ++i)
    step_.forward_backward(data.next(), finished, i, micro, first_row + static_cast<uint64_t>(i * step_.rows()));
}

void Loop::settle() {
  if (!unread_) return;
  const Unread step = *unread_;
  unread_.reset();
  const StepResult result = step_.finish();
  if (!std::isfinite(result.loss_sum)) diverged("loss", result.loss_sum, step.finished, saved_, step.lr);
  if (!std::isfinite(result.grad_norm)) diverged("gradient norm", result.grad_norm, step.finished, saved_, step.lr);
  // A queued device begins the step when the previous one is done.
  const double seconds = seconds_between(std::max(step.begin, settled_), result.done);
  settled_ = result.done;
  seconds_per_step_ = seconds_per_step_ > 0 ? 0.9 * seconds_per_step_ + 0.1 * seconds : seconds;
  report(step, result, seconds);
  if (step.finished == settings_.first_step + 3 && settings_.train_iters > step.finished) say_whole_time();
}

void Loop::evaluate_and_report(uint64_t finished) {
  const double loss = evaluate(settings_.eval_iters).loss();
  metrics_.write(finished, {{"eval_loss", loss}});
  hooks_.track_eval(finished, loss);
  hooks_.say(format("step {}  eval loss {} (perplexity {})", finished, loss, std::exp(loss)));
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

// Lines of a step are formatted without allocation.
void Loop::say_whole_time() {
  char line[100];
  std::snprintf(line, sizeof line, "the whole run takes about %s",
                duration(seconds_per_step_ * static_cast<double>(settings_.train_iters - settings_.first_step)).c_str());
  hooks_.say(line);
}

void Loop::report(const Unread& step, const StepResult& result, double seconds) {
  const auto tokens = static_cast<double>(settings_.global_batch_size * step_.seq_length());
  const double speed = tokens / seconds;
  const bool log = due(settings_.log_interval, step.finished) || step.finished == settings_.train_iters;
  if (log)
    metrics_.write(step.finished, {{"loss", result.loss()},
                                   {"lr", step.lr},
                                   {"grad_norm", result.grad_norm},
                                   {"tokens", tokens * static_cast<double>(step.finished)},
                                   {"tokens_per_second", speed},
                                   {"seconds", seconds}});
  if (log) hooks_.track(step.finished, result, step.lr, speed);
  if (!settings_.terminal && !log) return;
  char line[200];
  std::snprintf(line, sizeof line, "step %llu/%llu  loss %.4f  lr %.3g  grad norm %.3f  %.0f tokens/s  ETA %s",
                static_cast<unsigned long long>(step.finished), static_cast<unsigned long long>(settings_.train_iters), result.loss(),
                step.lr, result.grad_norm, speed,
                duration(seconds_per_step_ * static_cast<double>(settings_.train_iters - step.finished)).c_str());
  if (settings_.terminal && !log)
    hooks_.live(line);
  else
    hooks_.say(line);
}

}  // namespace corral::train
