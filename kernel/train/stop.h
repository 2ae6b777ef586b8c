// SIGINT and SIGTERM end a run after its step; a second one ends it at once.
#pragma once

namespace corral::train {

// Installs the handlers while it lives.
class StopSignals {
 public:
  StopSignals();
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  static bool asked();
};

}  // namespace corral::train
