#include "kernel/plugin/device.h"

namespace corral {

DeviceMemory::~DeviceMemory() {
  if (!memory_) return;
  try {
    invoke_control(*plugin_, &corral_device::free, "free", device_, memory_);
  } catch (const std::exception& e) {
    LOG(ERROR) << e.what();
  }
}

DeviceHandle DeviceHandle::open(std::shared_ptr<const Plugin> plugin, const DeviceOpen& request) {
  const std::string bytes = request.encode();
  corral_device_instance* device = nullptr;
  invoke_control(*plugin, &corral_device::open, "open", bytes.data(), bytes.size(), &device);
  return DeviceHandle(std::move(plugin), device);
}

std::string DeviceHandle::unsupported(const corral_node& node) const {
  const corral_status status = status_of_call(plugin(), &corral_device::supports, "supports", device_.get(), &node);
  if (status == CORRAL_OK) return "";
  if (status != CORRAL_UNSUPPORTED) check(status, plugin(), "supports");
  const std::string reason = take_sentence();
  return reason.empty() ? plugin().label() + " does not support " + node.op : reason;
}

PreparedKernel DeviceHandle::prepare(const corral_node& node) const {
  corral_kernel* kernel = nullptr;
  uint64_t workspace = 0;
  invoke_control(plugin(), &corral_device::prepare, "prepare", device_.get(), &node, &kernel, &workspace);
  return {device_.shared_plugin(), kernel, workspace};
}

DeviceMemory DeviceHandle::allocate(uint64_t size, uint32_t kind, uint32_t flags) const {
  void* memory = nullptr;
  invoke_control(plugin(), &corral_device::allocate, "allocate", device_.get(), size, kind, flags, &memory);
  if (!memory && size) detail::fail_reply(plugin(), "allocate", "it succeeded but gave no memory");
  return {device_.shared_plugin(), device_.get(), memory, size};
}

DeviceStream DeviceHandle::open_stream() const {
  corral_stream* stream = nullptr;
  invoke_control(plugin(), &corral_device::stream_open, "stream_open", device_.get(), &stream);
  return {device_.shared_plugin(), stream};
}

DeviceEvent DeviceHandle::open_event() const {
  corral_event* event = nullptr;
  invoke_control(plugin(), &corral_device::event_open, "event_open", device_.get(), &event);
  return {device_.shared_plugin(), event};
}

}  // namespace corral
