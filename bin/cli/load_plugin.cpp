#include "bin/cli/load_plugin.h"

#include <dlfcn.h>

#include <filesystem>
#include <map>
#include <set>

#include "bin/cli/configuration.h"
#include "corral/error.h"
#include "kernel/plugin/call.h"

namespace corral::cli {
namespace {
namespace fs = std::filesystem;

std::shared_ptr<const Plugin> load_file(const std::string& path, const std::string& kind) {
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_environment("plugin {} cannot be loaded: {}", path, dlerror());
  const auto* d = static_cast<const corral_plugin_descriptor*>(dlsym(library, "corral_plugin"));
  if (!d || d->magic != CORRAL_MAGIC) fail("{} is no Corral plugin", path);
  if (d->abi_major != CORRAL_ABI_MAJOR) fail("plugin {} targets ABI {}.{}", path, d->abi_major, d->abi_minor);
  if (kind != d->kind) fail("plugin {} is of kind {}, expected {}", path, d->kind, kind);
  auto plugin = std::make_shared<const Plugin>(std::string(d->kind) + "/" + d->name, path, d, nullptr);
  check(d->init(&host_table()), *plugin, "init");
  const std::string id = "corral." + kind + "/1";
  return std::make_shared<const Plugin>(plugin->label(), path, d, d->get_interface(id.c_str()));
}

}  // namespace

std::vector<std::string> plugin_names(const Arguments& arguments, const std::string& kind) {
  std::set<std::string> found;
  for (const std::string& folder : plugin_folders(arguments)) {
    std::error_code error;
    for (const auto& entry : fs::directory_iterator(fs::path(folder) / kind, error))
      if (const std::string name = entry.path().filename(); fs::exists(entry.path() / (name + ".so"), error)) found.insert(name);
  }
  return {found.begin(), found.end()};
}

std::shared_ptr<const Plugin> load_plugin(const Arguments& arguments, const std::string& kind, const std::string& name) {
  static std::map<std::string, std::shared_ptr<const Plugin>> loaded;
  std::string path = name.find('/') != std::string::npos ? name : "";
  for (const std::string& folder : plugin_folders(arguments))
    if (const fs::path file = fs::path(folder) / kind / name / (name + ".so"); path.empty() && fs::exists(file)) path = file;
  if (path.empty() || !fs::exists(path))
    fail("{} plugin \"{}\": not installed{}", kind, name, did_you_mean(name, plugin_names(arguments, kind)));
  auto& entry = loaded[path];
  if (!entry) entry = load_file(path, kind);
  return entry;
}

}  // namespace corral::cli
