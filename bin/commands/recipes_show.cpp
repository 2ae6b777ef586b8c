// `corral recipes show NAME`: prints every value and who set it.
#include <algorithm>
#include <cstdio>

#include "bin/job/settings.h"
#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/sources.h"

namespace corral::cli {
namespace {

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "one object", ""}};
constexpr const char* kShared[] = {"config", "set", kEveryKey};

void print(const config::RunConfig& run, bool with_help) {
  size_t keys = 0, values = 0;
  const auto settings = run.settings();
  for (const auto& [key, setting] : settings) {
    keys = std::max(keys, key.size());
    values = std::max(values, std::min<size_t>(config::to_text(setting.value).size(), 24));
  }
  for (const auto& [key, setting] : settings) {
    std::printf("%-*s = %-*s  %s\n", static_cast<int>(keys), key.c_str(), static_cast<int>(values), config::to_text(setting.value).c_str(),
                setting.from.c_str());
    const config::Field* field = with_help ? run.schema().find(key) : nullptr;
    if (field && !field->help.empty()) std::printf("    %s\n", field->help.c_str());
  }
}

int run(const Arguments& arguments) {
  config::Sources from = sources(arguments);
  from.recipe = arguments.words[0];
  const config::RunConfig config = resolve(host_of(arguments), from);
  if (!arguments.has("json")) {
    print(config, arguments.has("verbose"));
    return 0;
  }
  nlohmann::ordered_json json = nlohmann::ordered_json::object();
  for (const auto& [key, setting] : config.settings()) json[key] = {{"value", to_json(setting.value)}, {"from", setting.from}};
  print_json(json);
  return 0;
}

}  // namespace

extern const Command command_recipes_show{
    "recipes show", "print every value of a recipe and who set it; with -v also the meaning of each key", "NAME", kFlags, kShared, run};

}  // namespace corral::cli
