// `corral plugins`: lists the plugins in the plugin folders and whether this machine can use them. Loads none.
#include <algorithm>
#include <cstdio>

#include "bin/terminal/json.h"
#include "bin/terminal/program_host.h"
#include "bin/terminal/voice.h"

namespace corral::cli {
namespace {

std::string abi_of(const PluginInfo& p) {
  return p.version.empty() ? "-" : std::to_string(p.abi_major) + "." + std::to_string(p.abi_minor);
}

nlohmann::ordered_json as_json(const PluginInfo& p) {
  return {{"kind", p.kind},       {"name", p.name}, {"version", p.version},     {"abi", abi_of(p)},
          {"license", p.license}, {"path", p.path}, {"available", p.available}, {"reason", p.reason}};
}

int run(const Arguments& arguments) {
  const Registry& registry = host_of(arguments).plugins;
  if (arguments.has("json")) {
    nlohmann::ordered_json all = nlohmann::ordered_json::array();
    for (const PluginInfo* plugin : registry.list()) all.push_back(as_json(*plugin));
    print_json(all);
    return 0;
  }
  size_t widths[] = {4, 4, 7};
  for (const PluginInfo* p : registry.list()) {
    widths[0] = std::max(widths[0], p->kind.size());
    widths[1] = std::max(widths[1], p->name.size());
    widths[2] = std::max(widths[2], p->version.size());
  }
  const auto line = [&](const std::string& kind, const std::string& name, const std::string& version, const std::string& abi,
                        const std::string& rest) {
    std::printf("%-*s  %-*s  %-*s  %-4s %s\n", static_cast<int>(widths[0]), kind.c_str(), static_cast<int>(widths[1]), name.c_str(),
                static_cast<int>(widths[2]), version.c_str(), abi.c_str(), rest.c_str());
  };
  line("kind", "name", "version", "ABI", "path");
  for (const PluginInfo* p : registry.list()) {
    line(p->kind, p->name, p->version.empty() ? "-" : p->version, abi_of(*p), p->path);
    if (!p->available) std::printf("    not available: %s\n", p->reason.c_str());
  }
  if (registry.list().empty()) {
    say("no plugins in any of");
    for (const std::string& folder : registry.folders()) say("  " + folder);
  }
  return 0;
}

constexpr Flag kFlags[] = {{"json", Flag::kNothing, "", "an array of objects"}};

}  // namespace

extern const Command command_plugins{"plugins", "list the plugins, with the reason if one cannot be used", "", kFlags, {}, run};

}  // namespace corral::cli
