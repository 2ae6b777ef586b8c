// Runs each check in a process of its own with a time limit: a plugin that crashes, aborts or hangs fails only that check.
#pragma once

#include <functional>

#include "bin/validate/check.h"

namespace corral::validate {

struct RunOptions {
  bool in_process = false;  // for a debugger
  double seconds = 120;     // limit of one check
};

struct Result {
  const Check* check = nullptr;
  Outcome outcome;
  double seconds = 0;
};

Result run(const Check& check, Subject subject, const RunOptions& options);

}  // namespace corral::validate
