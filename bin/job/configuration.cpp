#include "bin/job/configuration.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "bin/job/load_plugin.h"
#include "kernel/plugin/schemas.h"

namespace corral::cli {
namespace fs = std::filesystem;

namespace {

fs::path program_folder() {
  std::error_code none;
  return fs::read_symlink("/proc/self/exe", none).parent_path();
}

void add_path_list(const char* variable, std::vector<std::string>& to) {
  const char* value = std::getenv(variable);
  for (std::string rest = value ? value : ""; !rest.empty();) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) to.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
}

config::Literal word(const std::string& text) { return {config::Literal::kString, text}; }

// `0.3 a.jsonl 0.7 b.jsonl` in one word is what it is in four.
config::Literal path(const std::string& text) {
  const size_t blank = text.find(' ');
  const bool weighted = blank != std::string::npos && text.find_first_not_of("0123456789.") == blank;
  return {weighted ? config::Literal::kText : config::Literal::kString, text};
}

}  // namespace

config::RecipeFolders recipe_folders() {
  std::vector<std::string> folders;
  add_path_list("CORRAL_RECIPE_PATH", folders);
  folders.push_back((program_folder().parent_path() / "share/corral/recipes").string());
  return config::RecipeFolders(std::move(folders));
}

std::vector<std::string> plugin_folders(const Arguments& arguments) { return corral::plugin_folders(arguments.list("plugin-path")); }

bool is_family_and_size(const std::string& model) {
  const size_t slash = model.find('/');
  return slash != std::string::npos && slash == model.rfind('/') && slash > 0 && model[0] != '.' && !model.ends_with(".so");
}

config::Sources sources(const Arguments& arguments) {
  config::Sources s;
  s.recipe = arguments.text("recipe");
  s.config_files = arguments.list("config");
  for (const Flag& flag : shared_flags()) {
    const std::string key = flag.key, by = std::string("--") + flag.name;
    if (key.empty() || !arguments.has(flag.name)) continue;
    config::Assignment a{key, {}, false, by, ""};
    for (const std::string& value : arguments.list(flag.name))
      a.literals.push_back(flag.takes == Flag::kPaths ? path(value) : config::Literal{config::Literal::kText, value});
    const std::string text = a.literals.empty() ? "" : a.literals[0].text;
    if (by == "--model" && is_family_and_size(text)) {
      const size_t slash = text.find('/');
      a.literals = {word(text.substr(0, slash))};
      s.flags.push_back({"model.size", {word(text.substr(slash + 1))}, false, by, ""});
    }
    s.flags.push_back(std::move(a));
  }
  for (const std::string& assignment : arguments.list("set")) s.flags.push_back(config::parse_assignment(assignment, "--set"));
  return s;
}

void prefer_samples(config::Sources& sources, const std::string& by) {
  const bool named =
      std::any_of(sources.flags.begin(), sources.flags.end(), [](const config::Assignment& a) { return a.key == "data.plugin"; });
  if (sources.recipe.empty() && sources.config_files.empty() && !named)
    sources.flags.push_back({"data.plugin", {word("sft")}, false, by, ""});
}

config::RunConfig resolve(const config::Sources& sources, const Arguments& arguments) {
  ManifestSchemas plugins(plugin_registry(arguments));
  config::RunConfig config = config::resolve(sources, recipe_folders(), plugins);
  for (const std::string& notice : config.notices()) std::fprintf(stderr, "note: %s\n", notice.c_str());
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

}  // namespace corral::cli
