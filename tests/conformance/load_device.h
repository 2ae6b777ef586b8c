// For tests: opens built plugins with the dynamic linker alone, without manifests.
#pragma once

#include <dlfcn.h>

#include <memory>
#include <string>

#include "corral/error.h"
#include "kernel/plugin/device.h"
#include "kernel/plugin/host.h"

namespace corral {

// The plugin stays loaded until the process ends, as in the program.
inline std::shared_ptr<const Plugin> load_built(const std::string& path, const char* interface) {
  void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_environment("{}", dlerror());
  const auto* descriptor = static_cast<const corral_plugin_descriptor*>(dlsym(library, "corral_plugin"));
  if (!descriptor) fail("{} exports no corral_plugin", path);
  if (descriptor->init(&host_table()) != CORRAL_OK) fail("{}: init failed: {}", path, take_sentence());
  return std::make_shared<const Plugin>(format("{}/{}", descriptor->kind, descriptor->name), path, descriptor,
                                        descriptor->get_interface(interface));
}

inline std::shared_ptr<const DeviceHandle> load_device(const std::string& path, const DeviceOpen& request = {}) {
  return std::make_shared<const DeviceHandle>(DeviceHandle::open(load_built(path, CORRAL_DEVICE_ID), request));
}

}  // namespace corral
