// The host of jobs that a command starts: its plugins are those of --plugin-path and the folders of the program, its voice is standard
// error.
#pragma once

#include "bin/job/host.h"
#include "bin/terminal/command.h"

namespace corral::cli {

// Made at the first call, from the arguments of the one command that runs. Recipes are those of $CORRAL_RECIPE_PATH, then of
// share/corral/recipes beside the program's folder.
const job::Host& host_of(const Arguments& arguments);

}  // namespace corral::cli
