// Resolves the configuration of a run and checks that this program can run it.
#pragma once

#include <string>

#include "bin/job/host.h"
#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::job {

// Resolves the configuration and says the notices.
config::RunConfig resolve(const Host& host, const config::Sources& sources);

// Restricts the layout to one rank: a recipe's other layout is set aside, a user's is refused.
void take_one_rank(config::RunConfig& config);

// Adds who set the key to an error message that begins with a key.
std::string with_who_set_it(const config::RunConfig& config, const std::string& message);
// Runs `work`; its errors get such messages.
template <class Work>
auto naming_who_set_it(const config::RunConfig& config, const Work& work) {
  try {
    return work();
  } catch (const Error& e) {
    throw Error(e.exit_code(), with_who_set_it(config, e.what()));
  }
}

}  // namespace corral::job
