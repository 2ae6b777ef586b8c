#include "bin/job/settings.h"

#include "kernel/plugin/schemas.h"

namespace corral::job {

config::RunConfig resolve(const Host& host, const config::Sources& sources) {
  ManifestSchemas plugins(host.plugins);
  config::RunConfig config = config::resolve(sources, host.recipes, plugins);
  for (const std::string& notice : config.notices()) host.say("note: " + notice);
  return config;
}

void take_one_rank(config::RunConfig& config) {
  for (const char* key : {"parallel.tensor", "parallel.pipeline", "parallel.virtual_pipeline", "parallel.context"}) {
    if (config.integer(key) == 1) continue;
    if (config.find(key)->from.starts_with("--"))
      fail("{} = {}: this program runs on one rank; the plugins of parallel runs are not installed{}", key, config.integer(key),
           config.set_by(key));
    config.set(key, int64_t{1}, "one rank");
  }
}

std::string with_who_set_it(const config::RunConfig& config, const std::string& message) {
  const std::string key = message.substr(0, message.find_first_of(" :[\n"));
  if (!config.find(key) || message.find("\n       set by ") != message.npos) return message;
  return message + config.set_by(key);
}

}  // namespace corral::job
