#include "bin/validate/loaded.h"

#include <dlfcn.h>

#include "corral/error.h"
#include "kernel/plugin/call.h"
#include "kernel/plugin/load.h"

namespace corral::validate {

Loaded::Loaded(const PluginInfo& info) : info_(info), library_(dlopen(info.path.c_str(), RTLD_NOW | RTLD_LOCAL)) {
  if (!library_) fail("the loader refuses it: {}", dlerror());
  descriptor_ = static_cast<const corral_plugin_descriptor*>(dlsym(library_, "corral_plugin"));
  const std::string fault = descriptor_ ? fault_of(*descriptor_, info_) : "it exports no corral_plugin";
  if (fault.empty()) return;
  dlclose(library_);
  fail("{}", fault);
}

Loaded::~Loaded() { dlclose(library_); }

std::shared_ptr<const Plugin> Loaded::init() {
  const Plugin bare(info_.kind + "/" + info_.name, info_.path, descriptor_, nullptr);
  {
    const detail::MarkCall mark(bare, "init");
    check(descriptor_->init(&host_table()), bare, "init");
  }
  const detail::MarkCall mark(bare, "get_interface");
  const void* table = descriptor_->get_interface(interface_id(info_.kind).c_str());
  if (!table) fail("it offers no interface {}", interface_id(info_.kind));
  return with_table(table);
}

std::shared_ptr<const Plugin> Loaded::with_table(const void* table) const {
  return std::make_shared<const Plugin>(info_.kind + "/" + info_.name, info_.path, descriptor_, table);
}

void Loaded::shutdown() {
  const Plugin bare(info_.kind + "/" + info_.name, info_.path, descriptor_, nullptr);
  const detail::MarkCall mark(bare, "shutdown");
  check(descriptor_->shutdown(), bare, "shutdown");
}

}  // namespace corral::validate
