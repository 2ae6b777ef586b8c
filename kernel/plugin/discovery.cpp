#include "kernel/plugin/discovery.h"

#include <algorithm>
#include <cstdlib>
#include <exception>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <system_error>

#include "corral/abi.h"
#include "corral/error.h"
#include "elf_file.h"
#include "kernel/plugin/host.h"
#include "manifest.wire.h"

namespace corral {
namespace fs = std::filesystem;

namespace {

constexpr uintmax_t kLargestManifest = 16u << 20;

// Ends the examination; the plugin is listed with this reason.
struct Unavailable {
  int exit_code;
  std::string reason;
};

std::string versions(uint32_t major, uint32_t minor) { return std::to_string(major) + "." + std::to_string(minor); }

Manifest read_manifest(const fs::path& path) {
  std::error_code error;
  const uintmax_t size = fs::file_size(path, error);
  if (error)
    throw Unavailable{2,
                      "it has no manifest beside it (" + path.filename().string() + "): corral_add_plugin makes one, or corral-manifest"};
  if (size > kLargestManifest) throw Unavailable{2, "its manifest is damaged: " + std::to_string(size) + " bytes"};
  std::ifstream file(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(file), {});
  try {
    Manifest manifest = Manifest::decode(bytes.data(), bytes.size());
    if (manifest.format == 1 && !manifest.kind.empty() && !manifest.name.empty()) return manifest;
  } catch (const protozero::exception&) {
  }
  throw Unavailable{2, "its manifest " + path.filename().string() + " is damaged or of another Corral"};
}

void take(const Manifest& m, PluginInfo& info) {
  info.kind = printable(m.kind);
  info.name = printable(m.name);
  info.version = printable(m.version);
  info.license = printable(m.license);
  info.abi_major = m.abi_major;
  info.abi_minor = m.abi_minor;
  info.options = m.options;
  info.presets = m.presets;
  info.table = m.table;
}

// The file may be cut off, swapped or of another machine: mapping such a file would kill the process.
elf::Facts read_file(const std::string& path) {
  try {
    const elf::MappedFile file(path);
    return elf::read(file.bytes());
  } catch (const elf::Malformed& e) {
    throw Unavailable{2, e.what()};
  } catch (const std::system_error& e) {
    throw Unavailable{2, "it cannot be read: " + e.code().message()};
  }
}

void check_machine(uint32_t machine, uint32_t x86_levels) {
  if (machine != machine_of_host())
    throw Unavailable{3, "it is built for " + machine_name(machine) + "; this machine is " + machine_name(machine_of_host())};
  if (const std::string level = lacking_level(x86_levels); !level.empty()) throw Unavailable{3, "this processor lacks " + level};
}

void check_libraries(const elf::Facts& facts, const std::string& origin, Libraries& libraries) {
  for (const std::string& name : facts.needed) {
    const std::string library = libraries.find(name, facts.run_path, origin);
    if (library.empty()) throw Unavailable{3, "the library " + printable(name) + " is missing"};
    for (const elf::VersionNeed& need : facts.version_needs)
      if (need.library == name && !libraries.has_version(library, need.version))
        throw Unavailable{3,
                          "it needs " + printable(need.version) + ", which " + library + " does not have: it was built with a newer one"};
  }
}

void examine_into(PluginInfo& info, Libraries& libraries) {
  const fs::path path = info.path;
  const elf::Facts facts = read_file(info.path);
  const bool is_plugin = std::any_of(facts.exports.begin(), facts.exports.end(), [](const auto& e) { return e.name == "corral_plugin"; });
  if (!is_plugin) throw Unavailable{2, "it is not a Corral plugin: it exports no corral_plugin"};
  const Manifest manifest = read_manifest(fs::path(path).replace_extension(".manifest"));
  take(manifest, info);
  if (facts.loaded_size != manifest.loaded_size)
    throw Unavailable{2, "the file's segments have " + std::to_string(facts.loaded_size) + " bytes, its manifest says " +
                             std::to_string(manifest.loaded_size) + ": it was changed after it was built"};
  if (manifest.abi_major != CORRAL_ABI_MAJOR)
    throw Unavailable{2, "it targets ABI " + versions(manifest.abi_major, manifest.abi_minor) + ", this Corral offers " +
                             versions(CORRAL_ABI_MAJOR, CORRAL_ABI_MINOR)};
  check_machine(facts.machine, facts.x86_levels | manifest.x86_levels);
  check_libraries(facts, path.parent_path().string(), libraries);
}

// Reads kind and name from the path KIND/NAME/NAME.so of a plugin whose manifest cannot be read.
void guess_from_place(PluginInfo& info) {
  const fs::path path = info.path;
  if (info.name.empty()) info.name = printable(path.stem().string());
  const fs::path folder = path.parent_path();
  if (info.kind.empty() && folder.filename() == path.stem()) info.kind = printable(folder.parent_path().filename().string());
}

}  // namespace

PluginInfo examine(const std::string& path, Libraries& libraries) {
  PluginInfo info;
  std::error_code error;
  info.path = fs::absolute(path, error).lexically_normal().string();
  try {
    // A cut file is reported by its manifest too, so kind and name are known in any state of the file.
    try {
      take(read_manifest(fs::path(info.path).replace_extension(".manifest")), info);
    } catch (const Unavailable&) {
    }
    examine_into(info, libraries);
    info.available = true;
  } catch (const Unavailable& why) {
    info.reason = why.reason;
    info.exit_code = why.exit_code;
  }
  guess_from_place(info);
  return info;
}

std::vector<std::string> plugin_folders(const std::vector<std::string>& plugin_path) {
  std::vector<std::string> folders = plugin_path;
  const char* variable = std::getenv("CORRAL_PLUGIN_PATH");
  for (std::string rest = variable ? variable : ""; !rest.empty();) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (end > 0) folders.push_back(rest.substr(0, end));
    rest.erase(0, end + 1);
  }
  if (const char* home = std::getenv("HOME")) folders.push_back((fs::path(home) / ".local/lib/corral/plugins").string());
  std::error_code error;
  const fs::path base = fs::read_symlink("/proc/self/exe", error).parent_path().parent_path();
  for (const char* own : {"lib/corral/plugins", "plugins"}) folders.push_back((base / own).string());
  return folders;
}

std::vector<std::string> shared_objects(const std::string& folder) {
  std::vector<std::string> found;
  std::vector<fs::path> level{folder};
  for (int depth = 0; depth < 3; ++depth) {
    std::vector<fs::path> next;
    for (const fs::path& path : level) {
      std::error_code error;
      for (const auto& entry : fs::directory_iterator(path, error)) {
        if (entry.is_directory(error))
          next.push_back(entry.path());
        else if (entry.path().extension() == ".so")
          found.push_back(entry.path().string());
      }
    }
    level = std::move(next);
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace corral
