#include "kernel/train/stop.h"

#include <signal.h>
#include <unistd.h>

namespace corral::train {
namespace {

volatile sig_atomic_t asked_to_stop = 0;
constexpr int kSignals[] = {SIGINT, SIGTERM};
struct sigaction before[2];

void on_signal(int) {
  if (asked_to_stop) _exit(130);
  asked_to_stop = 1;
}

}  // namespace

StopSignals::StopSignals() {
  asked_to_stop = 0;
  struct sigaction action {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &action, &before[i]);
}

StopSignals::~StopSignals() {
  for (int i = 0; i < 2; ++i) sigaction(kSignals[i], &before[i], nullptr);
}

bool StopSignals::asked() { return asked_to_stop != 0; }

}  // namespace corral::train
