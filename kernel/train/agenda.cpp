#include "kernel/train/agenda.h"

namespace corral::train {

AfterStep after_step(const AgendaSettings& settings, uint64_t finished, bool asked_to_stop, double seconds) {
  const auto due = [&](uint64_t interval) { return interval > 0 && finished % interval == 0; };
  AfterStep after{due(settings.eval_interval), due(settings.sample_interval), due(settings.save_interval), {}};
  if (finished >= settings.train_iters)
    after.ends = Ending::kDone;
  else if (asked_to_stop)
    after.ends = Ending::kStopped;
  else if (settings.minutes > 0 && seconds > settings.minutes * 60)
    after.ends = Ending::kTimeUp;
  if (after.ends) after.saves = true;
  return after;
}

}  // namespace corral::train
