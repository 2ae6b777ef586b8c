// The configuration of a run, resolved and within what this program can do.
#pragma once

#include <string>

#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::job {

// Resolves, and says the notices.
config::RunConfig resolve(const Host& host, const config::Sources& sources);

// This program is one rank: a layout that a recipe names is set aside, one that the user names is refused.
void take_one_rank(config::RunConfig& config);

// The message of an error; where it names a key first, with who set that.
std::string with_who_set_it(const config::RunConfig& config, const std::string& message);
// Runs `work`, whose errors get such messages.
template <class Work>
auto naming_who_set_it(const config::RunConfig& config, const Work& work) {
  try {
    return work();
  } catch (const Error& e) {
    throw Error(e.exit_code(), with_who_set_it(config, e.what()));
  }
}

}  // namespace corral::job
