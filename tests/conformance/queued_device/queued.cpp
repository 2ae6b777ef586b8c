// device/cpu behind streams: all work is queued, and runs as late as the contract allows on a thread of its own. If the host breaks the
// contract, the process ends with a message that names the operation (queues.h, order.h).
#include "corral/graph.h"
#include "corral/stream_device.h"
#include "options.wire.h"
#include "tests/conformance/queued_device/queues.h"
#include "tests/conformance/queued_device/wrapped.h"

namespace {
using corral::format;
using corral::queued::Point;
using corral::queued::Queues;
using corral::queued::Use;
using corral::queued::Work;
using corral::queued::Wrapped;

class QueuedStream final : public corral::Stream {
 public:
  explicit QueuedStream(Queues& queues) : queues(queues), number(queues.open_stream()) {}
  ~QueuedStream() override { queues.close_stream(number); }
  void wait() override { queues.wait_for_all(number); }
  void record_begin() override { queues.begin_recording(number); }
  std::unique_ptr<corral::Recording> record_end() override;
  static QueuedStream& of(corral::Stream& stream) { return static_cast<QueuedStream&>(stream); }
  static QueuedStream& of(corral_stream* stream) { return of(corral::Stream::of(stream)); }

  Queues& queues;
  const size_t number;
};

class QueuedRecording final : public corral::Recording {
 public:
  explicit QueuedRecording(std::vector<Work> work) : work_(std::move(work)) {}
  void replay(corral::Stream& stream) override {
    for (const Work& work : work_) QueuedStream::of(stream).queues.queue(QueuedStream::of(stream).number, work);
  }

 private:
  std::vector<Work> work_;
};

std::unique_ptr<corral::Recording> QueuedStream::record_end() { return std::make_unique<QueuedRecording>(queues.end_recording(number)); }

class QueuedEvent final : public corral::Event {
 public:
  explicit QueuedEvent(Queues& queues) : queues_(queues) {}
  void record(corral::Stream& stream) override { point_ = queues_.record(QueuedStream::of(stream).number); }
  void await(corral::Stream& stream) override { queues_.await(QueuedStream::of(stream).number, point_); }
  bool passed() override { return queues_.passed(point_); }
  void wait() override { queues_.wait(point_); }

 private:
  Queues& queues_;
  Point point_;
};

class Kernel final : public corral::DeviceKernel {
 public:
  Kernel(const Wrapped& cpu, Queues& queues, corral_device_instance* device, const corral::NodeView& node, uint64_t& workspace)
      : cpu_(cpu), queues_(queues), op_(node.op()) {
    Wrapped::check(cpu.table().prepare(device, node.get(), &kernel_, &workspace));
    workspace_ = workspace;
    const auto bytes = [](const corral::Operand& o) { return o ? corral::bytes_of(o.dtype(), o.elements()) : 0; };
    for (uint32_t i = 0; i < node.num_inputs(); ++i) inputs_.push_back(bytes(node.in(i)));
    for (uint32_t i = 0; i < node.num_outputs(); ++i) outputs_.push_back(bytes(node.out(i)));
  }
  ~Kernel() override {
    queues_.released(this);
    cpu_.table().release(kernel_);
  }

  void launch(void* const* inputs, void* const* outputs, void* workspace, corral_stream* stream) override {
    Work work;
    work.name = op_;
    work.kernel = this;
    std::vector<void*> addresses;
    const auto use = [&](void* const* memory, const std::vector<uint64_t>& bytes, bool writes, const char* what) {
      for (size_t i = 0; i < bytes.size(); ++i) {
        addresses.push_back(memory[i]);
        if (memory[i]) work.uses.push_back({{memory[i], bytes[i]}, writes, format("{} {}", what, i)});
      }
    };
    use(inputs, inputs_, false, "input");
    use(outputs, outputs_, true, "output");
    if (workspace_) work.uses.push_back({{workspace, workspace_}, true, "workspace"});
    work.run = [this, addresses, workspace] {
      Wrapped::check(cpu_.table().launch(kernel_, addresses.data(), addresses.data() + inputs_.size(), workspace, nullptr));
    };
    queues_.queue(QueuedStream::of(stream).number, work);
  }

 private:
  const Wrapped& cpu_;
  Queues& queues_;
  std::string op_;
  corral_kernel* kernel_ = nullptr;
  uint64_t workspace_;
  std::vector<uint64_t> inputs_, outputs_;  // bytes
};

class Instance final : public corral::StreamDeviceInstance {
 public:
  Instance(const Wrapped& cpu, const corral::DeviceOpen& request) : cpu_(cpu) {
    const std::string bytes = request.encode();
    Wrapped::check(cpu.table().open(bytes.data(), bytes.size(), &device_));
  }
  ~Instance() override { cpu_.table().close(device_); }

  corral::DeviceInfo info() override {
    std::string bytes;
    const corral_sink sink{CORRAL_SIZE(corral_sink), &bytes, [](const corral_sink* s, const void* data, uint64_t size) {
                             static_cast<std::string*>(s->context)->append(static_cast<const char*>(data), size);
                             return corral_status{CORRAL_OK};
                           }};
    Wrapped::check(cpu_.table().info(device_, &sink));
    corral::DeviceInfo info = corral::DeviceInfo::decode(bytes.data(), bytes.size());
    info.synchronous = false;
    return info;
  }
  void supports(const corral::NodeView& node) override { Wrapped::check(cpu_.table().supports(device_, node.get())); }
  std::unique_ptr<corral::DeviceKernel> prepare(const corral::NodeView& node, uint64_t& workspace) override {
    return std::make_unique<Kernel>(cpu_, queues_, device_, node, workspace);
  }

  // New memory is filled with NaN, so that a read before the first write is seen in the numbers.
  void* allocate(uint64_t size, uint32_t kind) override {
    void* const memory = StreamDeviceInstance::allocate(size, kind);
    std::memset(memory, 0xff, size);
    queues_.allocated(memory, size);
    return memory;
  }
  void free(void* memory) override {
    queues_.freed(memory);
    StreamDeviceInstance::free(memory);
  }
  void copy(void* to, const void* from, uint64_t size, corral_stream* stream) override {
    Work work;
    work.name = format("copy of {} bytes", size);
    work.uses = {{{from, size}, false, "source"}, {{to, size}, true, "target"}};
    work.source = static_cast<const char*>(from);
    work.source_bytes = size;
    work.run = [=] { std::memcpy(to, from, size); };
    queues_.queue(QueuedStream::of(stream).number, work);
  }
  void zero(void* to, uint64_t size, corral_stream* stream) override {
    Work work;
    work.name = format("zero of {} bytes", size);
    work.uses = {{{to, size}, true, "target"}};
    work.run = [=] { std::memset(to, 0, size); };
    queues_.queue(QueuedStream::of(stream).number, work);
  }
  std::unique_ptr<corral::Stream> open_stream() override { return std::make_unique<QueuedStream>(queues_); }
  std::unique_ptr<corral::Event> open_event() override { return std::make_unique<QueuedEvent>(queues_); }

 private:
  const Wrapped& cpu_;
  corral_device_instance* device_ = nullptr;
  Queues queues_;
};

class Queued final : public corral::StreamDevice<corral::options::cpu::Options> {
  std::unique_ptr<corral::StreamDeviceInstance> open_queueing(const Options&, const corral::DeviceOpen& request) override {
    return std::make_unique<Instance>(cpu_, request);
  }
  Wrapped cpu_{CORRAL_CPU_DEVICE};
};
}  // namespace

CORRAL_PLUGIN(Queued)
