// The host of the jobs that a command starts. Its plugins come from --plugin-path and the program's folders; it speaks on standard error.
#pragma once

#include "bin/job/host.h"
#include "bin/terminal/command.h"

namespace corral::cli {

// The host is made at the first call, from the arguments of the one command that runs. Recipes are searched in $CORRAL_RECIPE_PATH, then in
// share/corral/recipes beside the program's folder.
const job::Host& host_of(const Arguments& arguments);

}  // namespace corral::cli
