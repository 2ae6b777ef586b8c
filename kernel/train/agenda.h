// Decides in one place what follows each training step: evaluation, samples, a checkpoint, the end.
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
  std::optional<Ending> ends;  // implies `saves`
  // True if this must be done before anything of the next step is queued.
  bool drains() const { return evaluates || samples || saves; }
};

// Decides what follows a step; a pure function. `finished` counts all finished steps, `seconds` is the time since the run began.
AfterStep after_step(const AgendaSettings& settings, uint64_t finished, bool asked_to_stop, double seconds);

}  // namespace corral::train
