// A device: prepares nodes for given layouts, launches them on addresses, owns memory and streams. sdk/operations.md defines the
// operations.
#pragma once

#include <chrono>
#include <cstdlib>
#include <span>

#include "corral/plugin.h"

namespace corral {

// Accessors of a corral_layout; false if the operand is absent.
struct Operand {
  const corral_layout* layout = nullptr;

  explicit operator bool() const { return layout != nullptr; }
  DType dtype() const { return static_cast<DType>(layout->dtype); }
  std::span<const int64_t> shape() const { return {layout->shape, layout->rank}; }
  int64_t operator[](int axis) const { return layout->shape[axis < 0 ? axis + static_cast<int>(layout->rank) : axis]; }
  int64_t rank() const { return layout->rank; }
  bool contiguous() const { return layout->strides == nullptr; }
  int64_t elements() const {
    int64_t n = 1;
    for (int64_t d : shape()) n *= d;
    return n;
  }
  // Product of all axes but the last; 0 if the last axis is empty.
  int64_t rows() const {
    return layout->rank == 0 ? 1 : layout->shape[layout->rank - 1] == 0 ? 0 : elements() / layout->shape[layout->rank - 1];
  }
};

// Accessors of a corral_node.
class NodeView {
 public:
  explicit NodeView(const corral_node* node) : node_(node) {}
  const corral_node* get() const { return node_; }
  std::string_view op() const { return node_->op; }
  uint32_t num_inputs() const { return node_->num_inputs; }
  uint32_t num_outputs() const { return node_->num_outputs; }
  // Absent for a number beyond the last operand.
  Operand in(uint32_t i) const { return {i < node_->num_inputs ? node_->inputs[i] : nullptr}; }
  Operand out(uint32_t i) const { return {i < node_->num_outputs ? node_->outputs[i] : nullptr}; }
  bool accumulates(uint32_t output) const { return node_->accumulate >> output & 1; }

  double number(std::string_view name, double otherwise) const {
    const corral_attribute* a = find(name);
    return a && a->numbers && a->count ? a->numbers[0] : a && a->integers && a->count ? static_cast<double>(a->integers[0]) : otherwise;
  }
  int64_t integer(std::string_view name, int64_t otherwise) const {
    const corral_attribute* a = find(name);
    return a && a->integers && a->count ? a->integers[0] : otherwise;
  }
  std::string_view text(std::string_view name, std::string_view otherwise = {}) const {
    const corral_attribute* a = find(name);
    return a && a->text ? std::string_view(a->text) : otherwise;
  }
  std::span<const double> numbers(std::string_view name) const {
    const corral_attribute* a = find(name);
    return a && a->numbers ? std::span<const double>(a->numbers, a->count) : std::span<const double>();
  }

 private:
  const corral_attribute* find(std::string_view name) const {
    for (uint32_t i = 0; i < node_->num_attributes; ++i)
      if (name == node_->attributes[i]->name) return node_->attributes[i];
    return nullptr;
  }
  const corral_node* node_;
};

class DeviceKernel {
 public:
  virtual ~DeviceKernel() = default;
  virtual KernelInfo info() { throw Unsupported("this device says nothing of its kernels"); }
  virtual void launch(void* const* inputs, void* const* outputs, void* workspace, corral_stream* stream) = 0;
};

class DeviceInstance {
 public:
  virtual ~DeviceInstance() = default;
  virtual DeviceInfo info() = 0;
  // Throws Unsupported with the reason if `prepare` would not accept the node.
  virtual void supports(const NodeView& node) = 0;
  // Sets `workspace` to the bytes that a launch needs; it is 0 on entry.
  virtual std::unique_ptr<DeviceKernel> prepare(const NodeView& node, uint64_t& workspace) = 0;
  // Returns the algorithms chosen by measurement, in a form for DeviceOpen.choices of a later run.
  virtual std::string choices() { return ""; }

  // The next four use plain host memory; a device with its own memory overrides them.
  virtual void* allocate(uint64_t size, uint32_t /*kind*/) {
    void* memory = std::aligned_alloc(64, (size + 63) / 64 * 64);
    if (!memory && size) throw NoSpace("out of memory: " + std::to_string(size) + " bytes");
    return memory;
  }
  virtual void free(void* memory) { std::free(memory); }
  virtual void copy(void* to, const void* from, uint64_t size, corral_stream*) { std::memcpy(to, from, size); }
  virtual void zero(void* to, uint64_t size, corral_stream*) { std::memset(to, 0, size); }
};

template <class OptionsMessage>
class Device {
 public:
  using Options = OptionsMessage;
  static constexpr const char* kKindId = CORRAL_DEVICE_ID;
  virtual ~Device() = default;
  virtual std::unique_ptr<DeviceInstance> open(const Options& options, const DeviceOpen& request) = 0;

  // Calls go through this base class, so the overrides of P may be private.
  template <class P>
  static Device& plugin() {
    return *detail::the<P>();
  }

  // The table of a synchronous device: its work is done when a call returns. An asynchronous device derives from StreamDevice
  // (corral/stream_device.h).
  template <class P>
  static const void* table() {
    using I = corral_device_instance;
    static const corral_device t{
        CORRAL_SIZE(corral_device),
        [](const void* r, uint64_t n, I** device) {
          return detail::guarded([&] {
            const DeviceOpen q = DeviceOpen::decode(r, n);
            *device = reinterpret_cast<I*>(plugin<P>().open(Options::decode(q.options), q).release());
          });
        },
        [](I* d, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(d)->info().encode()); }); },
        [](I* d) { return detail::guarded([&] { delete self(d); }); },
        [](I* d, const corral_node* node) { return detail::guarded([&] { self(d)->supports(NodeView(node)); }); },
        [](I* d, const corral_node* node, corral_kernel** kernel, uint64_t* workspace) {
          return detail::guarded([&] {
            *workspace = 0;
            *kernel = reinterpret_cast<corral_kernel*>(self(d)->prepare(NodeView(node), *workspace).release());
          });
        },
        [](corral_kernel* k, void* const* in, void* const* out, void* workspace, corral_stream* stream) {
          return detail::guarded([&] { reinterpret_cast<DeviceKernel*>(k)->launch(in, out, workspace, stream); });
        },
        [](corral_kernel* k) { return detail::guarded([&] { delete reinterpret_cast<DeviceKernel*>(k); }); },
        [](I* d, uint64_t size, uint32_t kind, uint32_t, void** memory) {
          return detail::guarded([&] { *memory = self(d)->allocate(size, kind); });
        },
        [](I* d, void* memory) { return detail::guarded([&] { self(d)->free(memory); }); },
        [](I* d, void* to, const void* from, uint64_t size, corral_stream* s) {
          return detail::guarded([&] { self(d)->copy(to, from, size, s); });
        },
        [](I* d, void* to, uint64_t size, corral_stream* s) { return detail::guarded([&] { self(d)->zero(to, size, s); }); },
        [](I*, corral_stream** stream) { return detail::guarded([&] { *stream = reinterpret_cast<corral_stream*>(new char(0)); }); },
        [](corral_stream*) { return corral_status{CORRAL_OK}; },
        [](corral_stream* stream) { return detail::guarded([&] { delete reinterpret_cast<char*>(stream); }); },
        [](I*, corral_event** event) {
          return detail::guarded([&] { *event = reinterpret_cast<corral_event*>(new HostClock::time_point()); });
        },
        [](corral_event* event, corral_stream*) {
          time_of(event) = HostClock::now();
          return corral_status{CORRAL_OK};
        },
        [](corral_event*, corral_stream*) { return corral_status{CORRAL_OK}; },
        [](corral_event*, uint32_t* done) {
          *done = 1;
          return corral_status{CORRAL_OK};
        },
        [](corral_event* event) { return detail::guarded([&] { delete &time_of(event); }); },
        [](corral_stream*, void**) { return corral_status{CORRAL_UNSUPPORTED}; },
        [](corral_event*) { return corral_status{CORRAL_OK}; },
        [](corral_stream*) { return corral_status{CORRAL_UNSUPPORTED}; },
        [](corral_stream*, corral_recording**) { return corral_status{CORRAL_UNSUPPORTED}; },
        [](corral_recording*, corral_stream*) { return corral_status{CORRAL_UNSUPPORTED}; },
        [](corral_recording*) { return corral_status{CORRAL_UNSUPPORTED}; },
        [](corral_event* from, corral_event* to, double* seconds) {
          *seconds = std::chrono::duration<double>(time_of(to) - time_of(from)).count();
          return corral_status{CORRAL_OK};
        },
        [](corral_kernel* k, const corral_sink* s) {
          return detail::guarded([&] { detail::reply_with(s, reinterpret_cast<DeviceKernel*>(k)->info().encode()); });
        },
        [](I* d, const corral_sink* s) { return detail::guarded([&] { detail::reply_with(s, self(d)->choices()); }); }};
    return &t;
  }

 private:
  using HostClock = std::chrono::steady_clock;
  static DeviceInstance* self(corral_device_instance* d) { return reinterpret_cast<DeviceInstance*>(d); }
  // An event of a synchronous device is the time of its record.
  static HostClock::time_point& time_of(corral_event* event) { return *reinterpret_cast<HostClock::time_point*>(event); }
};

}  // namespace corral
