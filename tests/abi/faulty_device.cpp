// A device in host memory with one operation, swiglu, and two algorithms for it, of which it measures the better.
// $CORRAL_TEST_FAULT says how it breaks its contract.
#include <bit>
#include <cmath>

#include "corral/device.h"
#include "tests/abi/faulty.h"

namespace {
using namespace corral;

double read(DType type, const void* at, int64_t i) {
  if (type == DType::F32) return static_cast<const float*>(at)[i];
  const uint32_t bits = uint32_t{static_cast<const uint16_t*>(at)[i]} << 16;
  return std::bit_cast<float>(bits);
}

void write(DType type, void* at, int64_t i, double value) {
  const auto wide = static_cast<float>(value);
  if (type == DType::F32) {
    static_cast<float*>(at)[i] = wide;
    return;
  }
  const auto bits = std::bit_cast<uint32_t>(wide);
  static_cast<uint16_t*>(at)[i] = static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

class SwiGlu final : public DeviceKernel {
 public:
  SwiGlu(const NodeView& node, std::string choice)
      : count_(node.out(0).elements()),
        types_{node.in(0).dtype(), node.in(1).dtype(), node.out(0).dtype()},
        accumulates_(node.accumulates(0)),
        choice_(std::move(choice)) {}
  KernelInfo info() override {
    KernelInfo info;
    info.library = fault("a kernel of nobody") ? "" : "faulty";
    info.choice = choice_;
    info.flops = static_cast<double>(4 * count_);
    info.bytes = fault("a free kernel") ? 0 : static_cast<double>(12 * count_);
    return info;
  }
  void launch(void* const* inputs, void* const* outputs, void*, corral_stream*) override {
    for (int64_t i = 0; i < count_; ++i) {
      const double gate = read(types_[0], inputs[0], i), value = gate / (1 + std::exp(-gate)) * read(types_[1], inputs[1], i);
      write(types_[2], outputs[0], i, accumulates_ ? read(types_[2], outputs[0], i) + value : value);
    }
  }

 private:
  int64_t count_;
  DType types_[3];  // of gate, up and y
  bool accumulates_;
  std::string choice_;
};

class Instance final : public DeviceInstance {
 public:
  explicit Instance(std::string choices) : choices_(std::move(choices)) {}
  DeviceInfo info() override {
    DeviceInfo info;
    info.name = "faulty";
    info.synchronous = true;
    info.alignment = fault("a large alignment") ? 1 << 30 : fault("an odd alignment") ? 65 : 64;
    return info;
  }
  void supports(const NodeView& node) override {
    if (node.op() != "swiglu") throw Unsupported("this device has swiglu only");
    for (const Operand& o : {node.in(0), node.in(1), node.out(0)})
      if (!o || (o.dtype() != DType::F32 && o.dtype() != DType::BF16) || !o.contiguous())
        throw Unsupported("this device has float32 and bfloat16 only");
  }
  std::unique_ptr<DeviceKernel> prepare(const NodeView& node, uint64_t&) override {
    supports(node);
    if (choices_.empty()) choices_ = "second of two";
    return std::make_unique<SwiGlu>(node, choices_);
  }
  std::string choices() override { return fault("choose anew") ? choices_ + "!" : choices_; }

 private:
  std::string choices_;
};

class Faulty final : public Device<NoOptions> {
 public:
  template <class P>
  static const void* table() {
    static const corral_device t = [] {
      corral_device base = *static_cast<const corral_device*>(Device<NoOptions>::table<P>());
      if (fault("a clock that jumps"))
        base.event_seconds = [](corral_event*, corral_event*, double* seconds) {
          *seconds = 1000;
          return corral_status{CORRAL_OK};
        };
      return base;
    }();
    return &t;
  }

 private:
  std::unique_ptr<DeviceInstance> open(const NoOptions&, const DeviceOpen& request) override {
    return std::make_unique<Instance>(request.choices);
  }
};
}  // namespace

CORRAL_PLUGIN(Faulty)
