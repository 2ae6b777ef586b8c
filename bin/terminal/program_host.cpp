#include "bin/terminal/program_host.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "bin/terminal/voice.h"
#include "corral/error.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;

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

config::RecipeFolders recipe_folders() {
  std::vector<std::string> folders;
  add_path_list("CORRAL_RECIPE_PATH", folders);
  folders.push_back((program_folder().parent_path() / "share/corral/recipes").string());
  return config::RecipeFolders(std::move(folders));
}

std::vector<std::string> checked_plugin_folders(const Arguments& arguments) {
  std::error_code error;
  for (const std::string& folder : arguments.list("plugin-path"))
    if (!fs::is_directory(folder, error))
      fail("--plugin-path {}: {}", folder, fs::exists(folder, error) ? "a file: name its folder" : "no such folder");
  return plugin_folders(arguments.list("plugin-path"));
}

}  // namespace

const job::Host& host_of(const Arguments& arguments) {
  static Registry registry(checked_plugin_folders(arguments));
  static const job::Host host{registry, recipe_folders(), say, shows_live() ? live : std::function<void(std::string_view)>()};
  return host;
}

}  // namespace corral::cli
