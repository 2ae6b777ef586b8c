// Decides what follows each training step, so that all of a run agrees on it in one place.
#pragma once

#include <cstdint>
#include <optional>

namespace corral::train {

enum class Ending { kDone, kStopped, kTimeUp };

struct AgendaSettings {
  uint64_t train_iters = 0;
  uint64_t eval_interval = 0, sample_interval = 0, save_interval = 0;  // in steps; 0: never
  double minutes = 0;                                                  // 0: no limit
};

struct AfterStep {
  bool evaluates = false, samples = false, saves = false;
  std::optional<Ending> ends;  // which saves, too
  // Nothing of a next step may be queued before this is done.
  bool drains() const { return evaluates || samples || saves; }
};

// A pure function of its arguments: `finished` steps in all, whether anybody asked for the end, seconds since the run began.
AfterStep after_step(const AgendaSettings& settings, uint64_t finished, bool asked_to_stop, double seconds);

}  // namespace corral::train
