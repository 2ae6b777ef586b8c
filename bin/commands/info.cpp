// `corral info`: prints the facts that a bug report needs, and no secret of the environment.
#include <glog/logging.h>
#include <google/protobuf/stubs/common.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/version.hpp>
#include <cstdlib>
#include <fstream>
#include <set>
#include <sstream>

#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "corral/error.h"
#include "kernel/plugin/device.h"

namespace corral::cli {
namespace {

using Json = nlohmann::ordered_json;

// The value of the first line `name<separator>value` of a file of the system, or "".
std::string line_of(const char* path, const std::string& name, char separator) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    const size_t at = line.find(separator);
    if (at == std::string::npos || line.compare(0, name.size(), name) != 0) continue;
    std::string value = line.substr(at + 1);
    value.erase(0, value.find_first_not_of(" \t\""));
    value.erase(value.find_last_not_of(" \t\"") + 1);
    return value;
  }
  return "";
}

Json processor() {
  std::istringstream flags(line_of("/proc/cpuinfo", "flags", ':'));
  const std::set<std::string> all{std::istream_iterator<std::string>(flags), {}};
  Json sets = Json::array();
  for (const char* name : {"avx", "avx2", "fma", "f16c", "avx512f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_bf16", "amx_tile"})
    if (all.count(name)) sets.push_back(name);
  return {{"name", line_of("/proc/cpuinfo", "model name", ':')}, {"threads", sysconf(_SC_NPROCESSORS_ONLN)}, {"instruction_sets", sets}};
}

Json environment() {
  Json set = Json::object();
  for (const char* name : {"CORRAL_RECIPE_PATH", "CORRAL_PLUGIN_PATH", "CORRAL_CPU", "OMP_NUM_THREADS", "SAVE_DIR", "HF_HOME",
                           "HF_ENDPOINT", "NO_COLOR", "LD_LIBRARY_PATH", "LD_PRELOAD"})
    if (const char* value = std::getenv(name)) set[name] = value;
  // Secrets are only reported as present.
  for (const char* name : {"HF_TOKEN", "WANDB_API_KEY"})
    if (std::getenv(name)) set[name] = "(set)";
  return set;
}

Json plugins(const Arguments& arguments) {
  Json all = Json::object();
  for (const config::Section& section : config::sections()) all[section.kind] = host_of(arguments).available(section.kind);
  return all;
}

// The description of this machine by each device plugin, or the reason why there is none.
Json devices(const Arguments& arguments) {
  Json all = Json::object();
  for (const std::string& name : host_of(arguments).available("device")) {
    try {
      const DeviceInfo info = DeviceHandle::open(host_of(arguments).plugins.load("device", name), {}).info();
      all[name] = {{"instruction_set", info.instruction_set}, {"threads", info.threads}};
    } catch (const Error& e) {
      all[name] = e.what();
    }
  }
  return all;
}

std::string protobuf_version() {
  return std::to_string(GOOGLE_PROTOBUF_VERSION / 1000000) + "." + std::to_string(GOOGLE_PROTOBUF_VERSION / 1000 % 1000) + "." +
         std::to_string(GOOGLE_PROTOBUF_VERSION % 1000);
}

Json collect(const Arguments& arguments) {
  utsname system{};
  uname(&system);
  const std::string memory = line_of("/proc/meminfo", "MemTotal", ':'), free = line_of("/proc/meminfo", "MemAvailable", ':');
  return {{"corral", CORRAL_VERSION},
          {"build", CORRAL_BUILD_TYPE},
          {"compiler", __VERSION__},
          {"protobuf", protobuf_version()},
          {"boost", BOOST_LIB_VERSION},
          {"system", line_of("/etc/os-release", "PRETTY_NAME", '=')},
          {"kernel", std::string(system.sysname) + " " + system.release + " " + system.machine},
          {"processor", processor()},
          {"memory", memory},
          {"memory_available", free},
          {"recipe_folders", host_of(arguments).recipes.folders()},
          {"plugin_folders", host_of(arguments).plugins.folders()},
          {"plugins", plugins(arguments)},
          {"devices", devices(arguments)},
          {"environment", environment()}};
}

void print(const Json& value, const std::string& name) {
  if (value.is_object()) {
    for (const auto& [key, child] : value.items()) print(child, name.empty() ? key : name + "." + key);
    return;
  }
  std::string text = value.is_string() ? value.get<std::string>() : value.is_array() ? "" : value.dump();
  if (value.is_array())
    for (const Json& item : value) text += (text.empty() ? "" : " ") + item.get<std::string>();
  std::printf("%-24s %s\n", name.c_str(), text.c_str());
}

int run(const Arguments& arguments) {
  const Json all = collect(arguments);
  if (arguments.has("json"))
    print_json(all);
  else
    print(all, "");
  return 0;
}

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "one object"}};

}  // namespace

extern const Command command_info{"info", "print the facts that a bug report needs: versions, processor, folders, plugins", "", kFlags, {},
                                  run};

}  // namespace corral::cli
