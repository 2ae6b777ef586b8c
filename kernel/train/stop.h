// Signals that end a run after its step, saved.
#pragma once

namespace corral::train {

// Installs the handlers while it lives.
class StopSignals {
 public:
  enum Reach {
    kInterrupt,  // SIGINT and SIGTERM, of which a second one ends the process at once
    kAnyEnd,     // also a terminal or a reader that is gone (SIGHUP, SIGPIPE) and a scheduler's warning (SIGUSR1, SIGUSR2); these may come
                 // again
  };
  explicit StopSignals(Reach reach);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  static bool asked();
};

}  // namespace corral::train
