// A loaded plugin. It stays loaded until the process ends, as its code or statics may still be in use.
#pragma once

#include <memory>
#include <mutex>
#include <string>

#include "corral/abi.h"

namespace corral {

// The id of a kind's interface: corral.KIND/1.
inline std::string interface_id(const std::string& kind) { return "corral." + kind + "/1"; }

class Plugin {
 public:
  // Made by load (kernel/plugin/load.h); `interface` is the table of the kind's id, `label` is kind/name.
  Plugin(std::string label, std::string path, const corral_plugin_descriptor* descriptor, const void* interface)
      : label_(std::move(label)), path_(std::move(path)), descriptor_(descriptor), interface_(interface) {
    if (interface_) interface_name_ = interface_id(label_.substr(0, label_.find('/')));
  }
  Plugin(const Plugin&) = delete;
  Plugin& operator=(const Plugin&) = delete;

  const std::string& label() const { return label_; }
  const std::string& path() const { return path_; }
  const std::string& interface_name() const { return interface_name_; }  // the interface's id; "" before there is one
  // Names the target of a call, for messages.
  std::string place(const std::string& function) const {
    return label_ + (interface_name_.empty() ? "" : ", interface " + interface_name_) + ", function " + function;
  }
  const corral_plugin_descriptor& descriptor() const { return *descriptor_; }

  // The table of the plugin's kind; T is the table type of that kind.
  template <class T>
  const T& table() const {
    return *static_cast<const T*>(interface_);
  }

  // Locked during [control] calls. Recursive, as a control call may ask the host for a service that makes another one.
  std::recursive_mutex& control() const { return control_; }

 private:
  std::string label_, path_, interface_name_;
  const corral_plugin_descriptor* descriptor_;
  const void* interface_;
  mutable std::recursive_mutex control_;
};

}  // namespace corral
