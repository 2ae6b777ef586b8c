// An object that a plugin made and the host owns: closed once, by the plugin, as a [control] call.
#pragma once

#include <glog/logging.h>

#include <memory>
#include <utility>

#include "kernel/plugin/call.h"

namespace corral {

template <class Object, class Table>
class Instance {
 public:
  using Close = corral_status (*Table::*)(Object*);

  Instance() = default;
  // A null `object` is the plugin's fault: it returned CORRAL_OK without one.
  Instance(std::shared_ptr<const Plugin> plugin, Object* object, Close close, const char* close_name, const char* made_by)
      : plugin_(std::move(plugin)), object_(object), close_(close), close_name_(close_name) {
    if (!object_) detail::fail_reply(*plugin_, made_by, "it succeeded but gave no object");
  }
  Instance(Instance&& other) noexcept { swap(other); }
  Instance& operator=(Instance&& other) noexcept {
    Instance(std::move(other)).swap(*this);
    return *this;
  }
  ~Instance() {
    if (!object_) return;
    try {
      close();
    } catch (const std::exception& e) {
      LOG(ERROR) << e.what();
    }
  }

  // Throws the plugin's error; the object is closed in any case.
  void close() {
    if (Object* object = std::exchange(object_, nullptr)) invoke_control(*plugin_, close_, close_name_, object);
  }
  // Releases the object to a function that frees it.
  Object* release() { return std::exchange(object_, nullptr); }

  Object* get() const { return object_; }
  const Plugin& plugin() const { return *plugin_; }
  const std::shared_ptr<const Plugin>& shared_plugin() const { return plugin_; }

 private:
  void swap(Instance& other) noexcept {
    std::swap(plugin_, other.plugin_);
    std::swap(object_, other.object_);
    std::swap(close_, other.close_);
    std::swap(close_name_, other.close_name_);
  }

  std::shared_ptr<const Plugin> plugin_;
  Object* object_ = nullptr;
  Close close_ = nullptr;
  const char* close_name_ = "";
};

}  // namespace corral
