// Signals after which a run finishes its step, saves and ends.
#pragma once

namespace corral::train {

// Installs the handlers for its lifetime.
class StopSignals {
 public:
  enum Reach {
    // SIGINT and SIGTERM. A second one ends the process at once.
    kInterrupt,
    // Also a closed terminal or pipe (SIGHUP, SIGPIPE) and a scheduler's warning (SIGUSR1, SIGUSR2). These may come again.
    kAnyEnd,
  };
  explicit StopSignals(Reach reach);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  static bool asked();
};

}  // namespace corral::train
