#include "kernel/plugin/load.h"

#include <boost/dll/shared_library.hpp>

#include "corral/error.h"
#include "kernel/plugin/call.h"

namespace corral {

std::string fault_of(const corral_plugin_descriptor& d, const PluginInfo& info) {
  if (d.magic != CORRAL_MAGIC) return "its corral_plugin is not a descriptor (wrong magic number)";
  if (d.abi_major != CORRAL_ABI_MAJOR)
    return format("it targets ABI {}.{}, this Corral offers {}.{}", d.abi_major, d.abi_minor, CORRAL_ABI_MAJOR, CORRAL_ABI_MINOR);
  if (!CORRAL_HAS(&d, init) || !CORRAL_HAS(&d, get_interface) || !CORRAL_HAS(&d, shutdown))
    return "its descriptor lacks init, get_interface or shutdown";
  if (!d.kind || !d.name || !d.version || !d.license) return "its descriptor has a null string";
  const auto differs = [](const char* what, const std::string& built, const std::string& manifest) {
    return built == manifest ? "" : format("its descriptor says {} \"{}\", its manifest \"{}\"", what, printable(built), manifest);
  };
  std::string fault = differs("kind", d.kind, info.kind);
  if (fault.empty()) fault = differs("name", d.name, info.name);
  if (fault.empty()) fault = differs("version", d.version, info.version);
  if (fault.empty() && (d.abi_major != info.abi_major || d.abi_minor != info.abi_minor))
    fault = format("its descriptor says ABI {}.{}, its manifest {}.{}", d.abi_major, d.abi_minor, info.abi_major, info.abi_minor);
  return fault;
}

std::shared_ptr<const Plugin> load_plugin_file(const PluginInfo& info) {
  using boost::dll::shared_library;
  namespace mode = boost::dll::load_mode;
  const std::string label = info.kind + "/" + info.name;
  // Never freed: unloading code that a thread or a static may still use is a crash at a distance.
  auto* library = new shared_library;
  try {
    // Symbols are bound at once, so a missing one gives a message now and does not end the process at its first use.
    library->load(info.path, mode::rtld_now | mode::rtld_local);
  } catch (const std::exception& e) {
    // A symbol that no library has is the plugin's fault; a missing or old library is this machine's.
    const std::string why = printable(e.what());
    throw Error(why.find("undefined symbol") == std::string::npos ? 3 : 2,
                "plugin " + label + ": the loader refuses " + info.path + ": " + why);
  }
  if (!library->has("corral_plugin")) fail("plugin {}: {} exports no corral_plugin", label, info.path);
  const auto& descriptor = library->get<const corral_plugin_descriptor>("corral_plugin");
  if (const std::string fault = fault_of(descriptor, info); !fault.empty()) fail("plugin {}: {}\n       file: {}", label, fault, info.path);

  const Plugin bare(label, info.path, &descriptor, nullptr);
  const detail::MarkCall mark(bare, "init");
  corral_status status = CORRAL_OK;
  try {
    status = descriptor.init(&host_table());
  } catch (...) {
    detail::fail_escaped(bare, "init");
  }
  check(status, bare, "init");
  const void* interface = nullptr;
  const detail::MarkCall asking(bare, "get_interface");
  try {
    interface = descriptor.get_interface(interface_id(info.kind).c_str());
  } catch (...) {
    detail::fail_escaped(bare, "get_interface");
  }
  if (!interface) fail("plugin {}: it offers no interface {}\n       file: {}", label, interface_id(info.kind), info.path);
  return std::make_shared<const Plugin>(label, info.path, &descriptor, interface);
}

}  // namespace corral
