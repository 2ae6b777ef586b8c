// From a command line to the configuration of a run.
#pragma once

#include <string>
#include <vector>

#include "bin/terminal/command.h"
#include "corral/error.h"
#include "kernel/config/run_config.h"

namespace corral::cli {

// Where recipes are: $CORRAL_RECIPE_PATH, then share/corral/recipes beside the program's folder.
config::RecipeFolders recipe_folders();

// Where plugins are: --plugin-path, $CORRAL_PLUGIN_PATH, the user's folder, then those that came with the program.
std::vector<std::string> plugin_folders(const Arguments& arguments);

// What the flags of a command that takes a recipe say; a command may change it before it is resolved (Sources::resolved for a run's own
// configuration).
config::Sources sources(const Arguments& arguments);

// llama32/1b is a family and a size; a path to a plugin is no such pair.
bool is_family_and_size(const std::string& model);

// Reads samples and chats unless a recipe, a file or a flag names a reader.
void prefer_samples(config::Sources& sources, const std::string& by);

// Resolves, and prints the notices on standard error.
config::RunConfig resolve(const config::Sources& sources, const Arguments& arguments);

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

}  // namespace corral::cli
