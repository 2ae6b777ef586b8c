#include "kernel/train/stop.h"

#include <signal.h>
#include <unistd.h>

namespace corral::train {
namespace {

volatile sig_atomic_t asked_to_stop = 0, interrupted = 0;

void on_interrupt(int) {
  if (interrupted) _exit(130);
  interrupted = 1;
  asked_to_stop = 1;
}

void on_end(int) { asked_to_stop = 1; }

struct {
  int number;
  void (*handler)(int);
  StopSignals::Reach reach;
  struct sigaction before;
} signals[] = {
    {SIGINT, on_interrupt, StopSignals::kInterrupt, {}}, {SIGTERM, on_interrupt, StopSignals::kInterrupt, {}},
    {SIGHUP, on_end, StopSignals::kAnyEnd, {}},          {SIGPIPE, on_end, StopSignals::kAnyEnd, {}},
    {SIGUSR1, on_end, StopSignals::kAnyEnd, {}},         {SIGUSR2, on_end, StopSignals::kAnyEnd, {}},
};

}  // namespace

StopSignals::StopSignals(Reach reach) {
  asked_to_stop = 0;
  interrupted = 0;
  for (auto& s : signals) {
    sigaction(s.number, nullptr, &s.before);
    // The parent ignores this signal on purpose: nohup, a service manager.
    if (s.reach > reach || (s.reach == kAnyEnd && s.before.sa_handler == SIG_IGN)) continue;
    struct sigaction action {};
    action.sa_handler = s.handler;
    action.sa_flags = SA_RESTART;
    sigemptyset(&action.sa_mask);
    sigaction(s.number, &action, nullptr);
  }
}

StopSignals::~StopSignals() {
  for (const auto& s : signals) sigaction(s.number, &s.before, nullptr);
}

bool StopSignals::asked() { return asked_to_stop != 0; }

}  // namespace corral::train
