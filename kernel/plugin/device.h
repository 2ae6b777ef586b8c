// Host side of corral.device/1: a device with its streams, events, kernels and memory. All of them are freed before the device.
#pragma once

#include <thread>

#include "kernel/plugin/instance.h"
#include "plugin.wire.h"

namespace corral {

class DeviceStream;

// Recorded work of a stream, to be queued many times.
class DeviceRecording {
 public:
  DeviceRecording() = default;
  DeviceRecording(std::shared_ptr<const Plugin> plugin, corral_recording* recording)
      : recording_(std::move(plugin), recording, &corral_device::recording_close, "recording_close", "record_end") {}
  // Queues it. Allocates nothing.
  void replay(const DeviceStream& stream) const;
  explicit operator bool() const { return recording_.get() != nullptr; }

 private:
  Instance<corral_recording, corral_device> recording_;
};

// A stream. Its work runs in the order in which it is queued.
class DeviceStream {
 public:
  DeviceStream() = default;
  DeviceStream(std::shared_ptr<const Plugin> plugin, corral_stream* stream)
      : stream_(std::move(plugin), stream, &corral_device::stream_close, "stream_close", "stream_open") {}
  void wait() const { invoke(stream_.plugin(), &corral_device::stream_wait, "stream_wait", stream_.get()); }
  // The device library's own handle. Throws Unsupported if there is none.
  void* native() const {
    void* native = nullptr;
    invoke(stream_.plugin(), &corral_device::native_stream, "native_stream", stream_.get(), &native);
    return native;
  }
  // Work from here to record_end is recorded and not run. Returns false if the device cannot record.
  bool record_begin() const {
    const corral_status status = status_of_call(stream_.plugin(), &corral_device::record_begin, "record_begin", stream_.get());
    if (status == CORRAL_UNSUPPORTED) return false;
    check(status, stream_.plugin(), "record_begin");
    return true;
  }
  DeviceRecording record_end() const {
    corral_recording* recording = nullptr;
    invoke(stream_.plugin(), &corral_device::record_end, "record_end", stream_.get(), &recording);
    return {stream_.shared_plugin(), recording};
  }
  corral_stream* get() const { return stream_.get(); }
  const Plugin& plugin() const { return stream_.plugin(); }

 private:
  Instance<corral_stream, corral_device> stream_;
};

inline void DeviceRecording::replay(const DeviceStream& stream) const {
  invoke(recording_.plugin(), &corral_device::replay, "replay", recording_.get(), stream.get());
}

class DeviceEvent {
 public:
  DeviceEvent() = default;
  DeviceEvent(std::shared_ptr<const Plugin> plugin, corral_event* event)
      : event_(std::move(plugin), event, &corral_device::event_close, "event_close", "event_open") {}
  void record(const DeviceStream& stream) const {
    invoke(event_.plugin(), &corral_device::event_record, "event_record", event_.get(), stream.get());
  }
  void await(const DeviceStream& stream) const {
    invoke(event_.plugin(), &corral_device::event_await, "event_await", event_.get(), stream.get());
  }
  bool passed() const {
    uint32_t done = 0;
    invoke(event_.plugin(), &corral_device::event_query, "event_query", event_.get(), &done);
    return done != 0;
  }
  // Waits on the host, from any thread.
  void wait() const {
    if (has(event_.plugin().table<corral_device>(), &corral_device::event_wait))
      return invoke(event_.plugin(), &corral_device::event_wait, "event_wait", event_.get());
    while (!passed()) std::this_thread::yield();
  }
  // Seconds from event `from` to this one by the device's clock; both are reached. Throws Unsupported if the device has no such clock.
  double seconds_since(const DeviceEvent& from) const {
    double seconds = 0;
    invoke(event_.plugin(), &corral_device::event_seconds, "event_seconds", from.event_.get(), event_.get(), &seconds);
    return seconds;
  }
  explicit operator bool() const { return event_.get() != nullptr; }

 private:
  Instance<corral_event, corral_device> event_;
};

// A node that the device has prepared.
class PreparedKernel {
 public:
  PreparedKernel() = default;
  PreparedKernel(std::shared_ptr<const Plugin> plugin, corral_kernel* kernel, uint64_t workspace)
      : kernel_(std::move(plugin), kernel, &corral_device::release, "release", "prepare"), workspace_(workspace) {}

  uint64_t workspace() const { return workspace_; }  // bytes that a launch needs
  // Throws Unsupported if the device does not describe its kernels.
  KernelInfo info() const {
    return decode_reply<KernelInfo>(kernel_.plugin(), "kernel_info",
                                    invoke_for_reply(kernel_.plugin(), &corral_device::kernel_info, "kernel_info", kernel_.get()));
  }
  // Queues the kernel. Addresses are in the order of the node's operands, null if absent. Allocates nothing.
  void launch(void* const* inputs, void* const* outputs, void* workspace, const DeviceStream& stream) const {
    invoke(kernel_.plugin(), &corral_device::launch, "launch", kernel_.get(), inputs, outputs, workspace, stream.get());
  }
  explicit operator bool() const { return kernel_.get() != nullptr; }

 private:
  Instance<corral_kernel, corral_device> kernel_;
  uint64_t workspace_ = 0;
};

// Memory of the device; freed by it.
class DeviceMemory {
 public:
  DeviceMemory() = default;
  DeviceMemory(std::shared_ptr<const Plugin> plugin, corral_device_instance* device, void* memory, uint64_t size)
      : plugin_(std::move(plugin)), device_(device), memory_(memory), size_(size) {}
  DeviceMemory(DeviceMemory&& other) noexcept { swap(other); }
  DeviceMemory& operator=(DeviceMemory&& other) noexcept {
    DeviceMemory(std::move(other)).swap(*this);
    return *this;
  }
  ~DeviceMemory();
  char* data() const { return static_cast<char*>(memory_); }
  uint64_t size() const { return size_; }

 private:
  void swap(DeviceMemory& other) noexcept {
    std::swap(plugin_, other.plugin_);
    std::swap(device_, other.device_);
    std::swap(memory_, other.memory_);
    std::swap(size_, other.size_);
  }
  std::shared_ptr<const Plugin> plugin_;
  corral_device_instance* device_ = nullptr;
  void* memory_ = nullptr;
  uint64_t size_ = 0;
};

class DeviceHandle {
 public:
  static DeviceHandle open(std::shared_ptr<const Plugin> plugin, const DeviceOpen& request);

  DeviceInfo info() const {
    return decode_reply<DeviceInfo>(plugin(), "info", invoke_for_reply(plugin(), &corral_device::info, "info", device_.get()));
  }
  // The device's measured choices, for DeviceOpen.choices of a later run; "" if it measures nothing.
  std::string choices() const {
    return has(plugin().table<corral_device>(), &corral_device::choices)
               ? invoke_for_reply(plugin(), &corral_device::choices, "choices", device_.get())
               : "";
  }
  // Returns "" if `prepare` accepts the node, else the reason why not.
  std::string unsupported(const corral_node& node) const;
  bool supports(const corral_node& node) const { return unsupported(node).empty(); }
  PreparedKernel prepare(const corral_node& node) const;
  // Aligned to 64 bytes; `kind` is CORRAL_MEMORY_DEVICE or CORRAL_MEMORY_HOST.
  DeviceMemory allocate(uint64_t size, uint32_t kind = CORRAL_MEMORY_DEVICE, uint32_t flags = 0) const;
  void copy(void* to, const void* from, uint64_t size, const DeviceStream& stream) const {
    invoke(plugin(), &corral_device::copy, "copy", device_.get(), to, from, size, stream.get());
  }
  void zero(void* to, uint64_t size, const DeviceStream& stream) const {
    invoke(plugin(), &corral_device::zero, "zero", device_.get(), to, size, stream.get());
  }
  DeviceStream open_stream() const;
  DeviceEvent open_event() const;
  const Plugin& plugin() const { return device_.plugin(); }

 private:
  DeviceHandle(std::shared_ptr<const Plugin> plugin, corral_device_instance* device)
      : device_(std::move(plugin), device, &corral_device::close, "close", "open") {}
  Instance<corral_device_instance, corral_device> device_;
};

}  // namespace corral
